"""``pe-validate arm64``: ExecuTorch programs on iPhone-class cores."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from pe_validate.cli.options import CacheDir, Ema, Json, ModelOfFiles, Quiet, Weights, averaged, case_argument
from pe_validate.cli.printing import finish, print_json
from pe_validate.cli.reporting import reporting
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.system.errors import UsageError
from pe_validate.system.files import shipped
from pe_validate.walk.again import command

app = typer.Typer(help="Run ExecuTorch programs on iPhone-class cores.", no_args_is_help=True, rich_markup_mode=None)

Profiles = Annotated[
    list[str] | None,
    typer.Option("--profile", help="iphone-11, iphone-14 or iphone-16; may be repeated. [default: iphone-14]"),
]


@app.command()
def run(
    cases: Annotated[
        list[str], case_argument("CASE|FILE", "As for 'pe-validate run', for target pte only; or files of --model.")
    ],
    profiles: Profiles = None,
    model: ModelOfFiles = None,
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
    inputs: Annotated[int, typer.Option(min=1, max=6, help="Number of images to run each program on.")] = 2,
    costs: Annotated[
        Path | None,
        typer.Option(help="File of stored costs to compare with. [default: the one in golden/, or this project's]"),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Store the costs, in golden/ or in the file named by --costs.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, max=604800, help="Seconds for loading a program, or for one inference.")
    ] = 600,
    report: Annotated[Path, typer.Option("--report", help="Folder to write the report to.")] = Path(
        "build/report-arm64"
    ),
    cache_dir: CacheDir = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare programs on arm64 with this machine and the model; report their kernels and their cost."""
    from pe_validate.goldens.seals import COSTS
    from pe_validate.machines.arm64.costs import Costs, store_costs, stored_costs
    from pe_validate.machines.arm64.environment import native
    from pe_validate.machines.arm64.profiles import DEFAULT_PROFILE, HOST, profile_named
    from pe_validate.report.progress import show
    from pe_validate.walk.arm64 import programs, validate_on_arm64
    from pe_validate.walk.files import chosen

    weights = averaged(weights, ema)
    named, files = chosen(cases, model, weights)
    runnable = programs(named)
    cores = [profile_named(name) for name in dict.fromkeys(profiles or [DEFAULT_PROFILE])]
    if native():
        if profiles or update:
            raise UsageError("This machine is arm64 and runs programs itself: --profile and --update are for others.")
        cores = [HOST]
    own = Path("golden") / COSTS
    stored: Costs = {}
    if update:
        store_costs(costs or own, {})  # fails before the long work if the file cannot be written
    else:
        stored = stored_costs(costs or (own if own.exists() else shipped("golden") / COSTS))
    options = {"--model": model, "--inputs": inputs, "--timeout": f"{timeout:g}", "--costs": costs}
    cores_named = [part for name in profiles or () for part in ("--profile", name)]
    words = command("arm64", "run", *cases, *cores_named, options=options)
    start = perf_counter()
    with reporting(words, weights, report, as_json), show(plain=quiet) as progress:
        results = validate_on_arm64(
            runnable,
            cores,
            weights,
            inputs=inputs,
            costs=stored,
            cache_dir=cache_dir,
            timeout=timeout,
            options=options,
            progress=progress,
            files=files,
        )
    if update:
        found = [(result.case, result.execution) for result in results if result.execution and result.status == "pass"]
        store_costs(costs or own, {(ran.profile, case): ran.cost for case, ran in found})
    finish(words, weights, results, start, report, as_json)


@app.command()
def setup(profiles: Profiles = None, cache_dir: CacheDir = None, quiet: Quiet = False, as_json: Json = False) -> None:
    """Download and prepare the emulators and arm64 interpreters in the cache; quick if that was done before."""
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
        print_json({name: asdict(environment) for name, environment in made.items()})
    else:
        for name, environment in made.items():
            print(f"{name}  {environment.emulator}  {environment.interpreter[-1]}")
