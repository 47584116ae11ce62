"""Render what has changed between two reports: a table for the terminal, Markdown, and JSON."""

from __future__ import annotations

import json
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pe_validate.data.difference import Difference, Finding
from pe_validate.data.schema import schema
from pe_validate.report.render import to_row

COLUMNS: Final = ("", "what", "base", "head", "why")
WIDEST: Final = 16
"""Characters of a line of what a report says."""

SHORT: Final = {"regression": "worse", "allowed": "allowed", "improvement": "better", "change": "other"}
COLOUR: Final = {"regression": "red", "allowed": "yellow", "improvement": "green", "change": ""}

MARKUP: Final = {ord(mark): f"&#{ord(mark)};" for mark in "&<>|`*_[]~@#\\"}
"""What Markdown or GitHub would take for more than a character: reports may come from strangers."""


def to_terminal(found: Difference) -> RenderableType:
    """Return a table for the terminal, 80 columns wide: a row for each finding, what blocks first.

    Why stands below the name.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, expand=True)
    table.add_column("", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    for heading in ("base", "head"):
        table.add_column(heading, overflow="fold", max_width=WIDEST)
    for finding in found.sorted:
        word, name, base, head, why = _cells(finding)
        what = Text(name).append(f"\n{why}" if why else "", "dim")
        table.add_row(Text(SHORT[word], COLOUR[word]), what, Text(base), Text(head))
    rows: list[RenderableType] = ["", table] if found.findings else []
    return Group(*map(Text, found.headlines), *rows)


def to_markdown(found: Difference) -> str:
    """Return Markdown for a pull request; nothing in it is taken for a link, a name or HTML."""
    lines = [f"{_inert(line)}\n" for line in found.headlines]
    if found.findings:
        lines += [to_row(COLUMNS), to_row(["---"] * len(COLUMNS))]
        lines += [to_row(map(_inert, _cells(finding))) for finding in found.sorted]
    return "\n".join(["## What changed", "", *lines])


def to_json(found: Difference) -> bytes:
    """Return indented JSON, headlines first; each finding has the name by which it is allowed."""
    content = json.loads(schema(Difference).dump_json(found))
    content["findings"] = [
        {"name": finding.name, "blocks": finding.blocks} | entry
        for finding, entry in zip(found.findings, content["findings"], strict=True)
    ]
    return json.dumps({"headlines": found.headlines, "exit_code": found.exit_code} | content, indent=1).encode()


def _cells(finding: Finding) -> list[str]:
    word = "allowed" if finding.allowed is not None else finding.kind
    why = f"{finding.why}; allowed: {finding.allowed}" if finding.allowed is not None else finding.why
    return [word, finding.name, finding.base, finding.head, why.removeprefix("; ")]


def _inert(text: str) -> str:
    return text.translate(MARKUP)
