"""``pe-validate upgrade``: what changes for models from one toolchain to another."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import typer

from pe_validate.case import default_cases, select
from pe_validate.cli.options import (
    CacheDir,
    Calibration,
    Ema,
    Images,
    Jobs,
    Json,
    Quiet,
    Weights,
    averaged,
    case_argument,
)
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.walk.again import command

DEFAULT_REPORT: Final = Path("build/upgrade")

_WORDS: Final = "A toolchain of docs/toolchains.md, or requirements such as 'torch==2.13.0,executorch==1.5.1'."


def upgrade(
    old: Annotated[str, typer.Argument(metavar="FROM", help=_WORDS)],
    new: Annotated[str, typer.Argument(metavar="TO", help="As FROM.")],
    cases: Annotated[list[str] | None, case_argument("CASE", "As for 'run'.")] = None,
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
    images: Images = None,
    calibration: Calibration = None,
    report: Annotated[Path, typer.Option("--report", help="Folder to write the report to.")] = DEFAULT_REPORT,
    cache_dir: CacheDir = None,
    jobs: Jobs = 2,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Install two toolchains, judge cases with each, let each run the other's files, and judge the difference."""
    from pe_validate.cli.printing import print_table
    from pe_validate.data.upgrade import UpgradeReport
    from pe_validate.report.progress import show
    from pe_validate.report.stored import this_machine, this_second
    from pe_validate.report.tables import make_room
    from pe_validate.report.upgrades import to_json, to_table, write
    from pe_validate.system.legible import legible
    from pe_validate.toolchains.table import toolchain_named
    from pe_validate.toolchains.upgrade import upgraded

    before, after = toolchain_named(old), toolchain_named(new)
    chosen, spec = select(cases) if cases else default_cases(), averaged(weights, ema)
    make_room(report)
    options = {"--weights": spec, "--images": images, "--calibration": calibration, "--cache-dir": cache_dir}
    passed_on = [str(part) for name, value in options.items() if value for part in (name, value)]
    start = perf_counter()
    with show(plain=quiet) as progress:
        rows, packages = upgraded(
            before,
            after,
            chosen,
            report,
            [*passed_on, "--jobs", str(jobs)],
            photographs=images,
            cache_dir=cache_dir,
            progress=progress,
        )
    again = command("upgrade", old, new, *(cases or []), options=options)
    seconds = perf_counter() - start
    found = UpgradeReport(again, spec, old, new, packages, rows, seconds, this_machine(), this_second())
    found = legible(found)
    write(found, report)
    if as_json:
        print(to_json(found).decode())
    else:
        print_table(to_table(found))
    raise typer.Exit(found.exit_code)
