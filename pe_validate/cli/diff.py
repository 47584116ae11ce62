"""``pe-validate diff``: what has changed from one report to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pe_validate.cli.options import Json
from pe_validate.cli.printing import print_table
from pe_validate.system.errors import UsageError


def diff(
    base: Annotated[Path, typer.Argument(help="Report of what was: a folder, or its report.json.")],
    head: Annotated[Path, typer.Argument(help="Report of what is.")],
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="CASE/GATE=REASON", help="A regression that is accepted, and why; may be repeated."),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Print what has changed from one report to another, and exit with 1 if something is worse."""
    from pe_validate.report.allowed import acceptance, accepted
    from pe_validate.report.differences import to_json, to_markdown, to_terminal
    from pe_validate.report.differing import difference
    from pe_validate.report.stored import read
    from pe_validate.system.legible import printable

    if markdown and as_json:
        raise UsageError("Choose one of --markdown and --json.")
    acceptances = [acceptance(words) for words in allow or ()]
    names = printable(str(base)), printable(str(head))
    found = accepted(difference(read(base, known=False), read(head, known=False), names), acceptances)
    if as_json:
        print(to_json(found).decode())
    elif markdown:
        print(to_markdown(found))
    else:
        print_table(to_terminal(found))
    raise typer.Exit(found.exit_code)
