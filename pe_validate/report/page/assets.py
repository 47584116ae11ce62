"""The style and the scripts of the page, and the policy that lets a browser run these and no others."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from markupsafe import Markup

SCRIPTS: Final = (
    "vendor/d3.min.js",
    "vendor/plot.umd.min.js",
    "base.js",
    "charts.js",
    "overview.js",
    "case.js",
    "start.js",
)
"""In the order in which they run; the first two are libraries of others."""

PLOT_STYLE: Final = """:where(.pe-plot) {
  --plot-background: white;
  display: block;
  height: auto;
  height: intrinsic;
  max-width: 100%;
}
:where(.pe-plot text),
:where(.pe-plot tspan) {
  white-space: pre;
}"""
"""The style that Observable Plot puts into each of its charts, where their class is ``pe-plot``."""


@cache
def style() -> Markup:
    """Return the style sheet."""
    return _text("page.css")


@cache
def scripts() -> tuple[Markup, ...]:
    """Return the scripts."""
    return tuple(map(_text, SCRIPTS))


@cache
def policy() -> str:
    """Return the Content-Security-Policy: nothing is loaded, and what runs is named by its sha256."""
    runs = " ".join(map(_hash, scripts()))
    styles = " ".join(map(_hash, (style(), PLOT_STYLE)))
    return (
        f"default-src 'none'; script-src {runs}; style-src {styles}; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _text(name: str) -> Markup:
    """Return a file of this package; it is code, which no report has a part in."""
    return Markup((files(__package__) / name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
