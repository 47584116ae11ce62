"""``pe-validate arm64``: ExecuTorch programs on iPhone-class cores."""

from __future__ import annotations

import shlex
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from pe_validate.cli.options import CacheDir, Json, Quiet, Weights
from pe_validate.cli.report import finish
from pe_validate.models.registry import DEFAULT_WEIGHTS
from pe_validate.system.errors import UsageError
from pe_validate.system.files import shipped

app = typer.Typer(help="Run ExecuTorch programs on iPhone-class cores.", no_args_is_help=True)

Profiles = Annotated[
    list[str] | None,
    typer.Option("--profile", help="iphone-11, iphone-14 or iphone-16; may be repeated. [default: iphone-14]"),
]


@app.command()
def run(
    cases: Annotated[list[str], typer.Argument(metavar="CASE…", help="As for 'pe-validate run'; of pte alone.")],
    profiles: Profiles = None,
    weights: Weights = DEFAULT_WEIGHTS,
    inputs: Annotated[int, typer.Option(min=1, max=6, help="Images that each program is shown.")] = 2,
    costs: Annotated[
        Path | None, typer.Option(help="Costs to be held to. [default: those in golden/, or this project's]")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Store the costs, in golden/ unless --costs.")] = False,
    timeout: Annotated[float, typer.Option(min=1, max=604800, help="Seconds to load, or for one inference.")] = 600,
    report: Annotated[Path, typer.Option("--report", help="Folder that the report is written to.")] = Path(
        "build/report-arm64"
    ),
    cache_dir: CacheDir = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Hold programs on arm64 to this machine and to the model; name their kernels and count what they cost."""
    from pe_validate.goldens.seals import COSTS
    from pe_validate.machines.arm64 import examination, walk
    from pe_validate.machines.arm64.environment import native
    from pe_validate.machines.arm64.profiles import DEFAULT_PROFILE, HOST, profile_named
    from pe_validate.report.progress import show
    from pe_validate.report.render import make_room

    chosen = walk.programs(cases)
    cores = [profile_named(name) for name in dict.fromkeys(profiles or [DEFAULT_PROFILE])]
    if native():
        if profiles or update:
            raise UsageError("This machine is arm64 and runs programs itself: --profile and --update are for others.")
        cores = [HOST]
    own = Path("golden") / COSTS
    stored: walk.Costs = {}
    if update:
        examination.store_costs(costs or own, {})  # whether that can be done is known before the long work
    else:
        stored = examination.stored_costs(costs or (own if own.exists() else shipped("golden") / COSTS))
    make_room(report)
    options = ["--inputs", str(inputs), "--timeout", f"{timeout:g}", *(("--costs", str(costs)) if costs else ())]
    start = perf_counter()
    with show(plain=quiet) as progress:
        results = walk.validate_all(
            chosen,
            cores,
            weights,
            inputs=inputs,
            costs=stored,
            cache_dir=cache_dir,
            timeout=timeout,
            options=options,
            progress=progress,
        )
    if update:
        found = [(result.case, result.execution) for result in results if result.execution and result.status == "pass"]
        examination.store_costs(costs or own, {(ran.profile, case): ran.cost for case, ran in found})
    options += [part for name in profiles or () for part in ("--profile", name)]
    finish(shlex.join(["pe-validate", "arm64", "run", *cases, *options]), weights, results, start, report, as_json)


@app.command()
def setup(profiles: Profiles = None, cache_dir: CacheDir = None, quiet: Quiet = False, as_json: Json = False) -> None:
    """Prepare the emulator and the arm64 interpreter of every profile in the cache; a moment where they are there."""
    import json
    from contextlib import nullcontext
    from dataclasses import asdict

    from rich.console import Console

    from pe_validate.machines.arm64.environment import setup
    from pe_validate.machines.arm64.profiles import PROFILES, profile_named

    console = Console(stderr=True)
    live = console.is_terminal and not quiet
    made = {}
    with console.status("") if live else nullcontext() as status:
        tell = status.update if status else lambda stage: console.print(stage, highlight=False, soft_wrap=True)
        for name in profiles or PROFILES:
            made[name] = setup(profile_named(name), cache_dir, tell)
    if as_json:
        print(json.dumps({name: asdict(environment) for name, environment in made.items()}, indent=1))
    else:
        for name, environment in made.items():
            print(f"{name}  {environment.emulator}  {environment.interpreter[-1]}")
