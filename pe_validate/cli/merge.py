"""``pe-validate merge``: one report of the reports of several jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pe_validate.cli.options import Json
from pe_validate.cli.printing import print_report
from pe_validate.walk.again import command


def merge(
    reports: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Report folders, or their report.json.")],
    report: Annotated[Path, typer.Option("--report", help="Folder to write the joined report to.")],
    as_json: Json = False,
) -> None:
    """Join the reports of jobs that each validated some of the cases, and exit with the exit code of all."""
    from pe_validate.report.merging import merged
    from pe_validate.report.render import make_room, write
    from pe_validate.report.stored import read
    from pe_validate.system.legible import printable

    found = [read(path) for path in reports]
    paths = [printable(str(path)) for path in reports]
    joined = merged(found, paths, command("merge", *paths, options={"--report": report}))
    make_room(report)
    write(joined, report)
    print_report(joined, as_json=as_json)
