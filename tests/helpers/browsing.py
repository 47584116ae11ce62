"""Reports whose pages are opened in a browser, and what is noticed of an open page."""

from __future__ import annotations

from typing import Final

import sample_pages as pages
import sample_reports as sample
from playwright.sync_api import Dialog, Page

from pe_validate.data.report import Report

REPORTS: Final[dict[str, Report]] = {
    "full": pages.full_matrix(),
    "mixed": sample.report(*sample.mixed().results, sample.measured()),
    "hostile": pages.hostile(),
    "empty": sample.report(),
    "one": sample.report(sample.passing()),
}


class Tab:
    """An open page, what it complained of, and what it asked of others."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._refuse)
        page.on("request", lambda request: self.requests.append(request.url))

    def _refuse(self, dialog: Dialog) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()
