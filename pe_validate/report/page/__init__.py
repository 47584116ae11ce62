"""Render a report as one HTML file that needs nothing else: the outcome first, then every case, then each by itself.

What a reader must know stands in the page as it is written, and is there without scripts: verdict, matrix, table,
messages. Scripts filter, sort, and draw a case from the JSON inside the page. No string of a report is taken for
markup or code: Jinja escapes, scripts set text alone, and the page's policy runs no script but its own.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from pe_validate.report.margins import in_words
from pe_validate.report.page.assets import policy, scripts, style
from pe_validate.report.page.embedded import to_embedded
from pe_validate.report.page.matrix import MARKS, matrix_of, shade
from pe_validate.report.page.overview import overview_of, size

if TYPE_CHECKING:
    from pe_validate.data.report import Report


def to_html(report: Report) -> str:
    """Render ``page.html.j2``, with everything in the report escaped."""
    return _template().render(
        report=report,
        seen=overview_of(report),
        matrix=matrix_of(report),
        policy=policy(),
        style=style(),
        scripts=scripts(),
        data=to_embedded(report),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(__name__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"fraction": in_words, "shade": shade, "size": size}
    environment.globals |= {"marks": MARKS}
    return environment.get_template("page.html.j2")
