"""Render a report as one self-contained HTML page: the outcome first, then a bar for every input of every gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from pe_validate.report.explained import filled, to_chart
from pe_validate.report.kernels import COLUMNS, kernel_rows

if TYPE_CHECKING:
    from pe_validate.data.report import Report


def to_html(report: Report) -> str:
    """Render ``page.html.j2``, with everything in the report escaped."""
    environment = Environment(
        loader=PackageLoader("pe_validate.report", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["chart"] = to_chart
    environment.filters["bar"] = lambda db: round(filled(db) * 100, 1)
    kernels = kernel_rows(report.results, mark="", joint="\n")
    return environment.get_template("page.html.j2").render(report=report, columns=COLUMNS, kernels=kernels)
