"""The command line. Exit codes: 0 pass, 1 a gate failed, 2 usage error, 3 a stage could not do its work."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from pe_validate.case import DEFAULT, MATRIX, Case, model_config, select
from pe_validate.cli import arm64 as cli_arm64
from pe_validate.cli import coreml as cli_coreml
from pe_validate.cli import explain as cli_explain
from pe_validate.cli import ios as cli_ios
from pe_validate.cli.options import CacheDir, Calibration, Images, Json, Quiet, Weights
from pe_validate.cli.report import finish, print_report
from pe_validate.models.registry import DEFAULT_WEIGHTS
from pe_validate.system.errors import PEValidateError, UsageError, refused
from pe_validate.system.legible import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pe_validate.data.verdict import Verdict

# Stages are imported where they are used: 'pe-validate list' should not wait for PyTorch.

app = typer.Typer(
    help="Prove that a converted Perception Encoder is still the model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_arm64.app, name="arm64")
app.add_typer(cli_coreml.app, name="coreml")
app.add_typer(cli_ios.app, name="ios")

Cases = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CASE]…", help="PE-Core-S16-384/pte/fp32, or the beginning of it; * is a wildcard."),
]
ReportDir = Annotated[Path, typer.Option("--report", help="Folder that the report is written to.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Cases worked on side by side.")]

DEFAULT_REPORT = Path("build/report")


@app.command("list")
def list_cases(cases: Cases = None, as_json: Json = False) -> None:
    """Print the matrix: every model, target and precision."""
    chosen = select(cases) if cases else MATRIX
    if as_json:
        _print_json([{"case": str(c), "model": c.model, "target": c.target, "precision": c.precision} for c in chosen])
    else:
        print(*chosen, sep="\n")


@app.command()
def run(
    cases: Cases = None,
    weights: Weights = DEFAULT_WEIGHTS,
    images: Images = None,
    calibration: Calibration = None,
    report: ReportDir = DEFAULT_REPORT,
    cache_dir: CacheDir = None,
    jobs: Jobs = 2,
    measure: Annotated[bool, typer.Option("--measure", help="Also time programs and take their peak memory.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Export, run and judge cases; without any, the recommended deployment on every target."""
    from pe_validate.measure.measurements import with_measurements
    from pe_validate.report.progress import show
    from pe_validate.report.render import make_room
    from pe_validate.walk.walk import validate_all

    chosen = select(cases or DEFAULT)
    make_room(report)
    start = perf_counter()
    with show(plain=quiet) as progress:
        results = validate_all(
            chosen,
            weights,
            photographs=images,
            calibration=calibration,
            cache_dir=cache_dir,
            progress=progress,
            jobs=jobs,
        )
        if measure:
            progress(chosen[0], "measure every program, one after the other")
            results = with_measurements(results, weights, cache_dir)
    finish(_command("run", cases or []), weights, results, start, report, as_json)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="An .onnx, .pte or .mlpackage that someone made.")],
    model: Annotated[str, typer.Option(help="The published model that it claims to be.")],
    weights: Weights = DEFAULT_WEIGHTS,
    precision: Annotated[str | None, typer.Option(help="Its precision. [default: what it says itself]")] = None,
    output: Annotated[str | None, typer.Option(help="Name of the output to judge, if it has several.")] = None,
    images: Images = None,
    report: ReportDir = DEFAULT_REPORT,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Answer "is this file that model?" for an artifact that someone else made."""
    from pe_validate.data.result import Result
    from pe_validate.gates.evidence import required
    from pe_validate.reference.reference import reference
    from pe_validate.report.progress import show
    from pe_validate.report.render import make_room
    from pe_validate.walk import walk as pipeline

    make_room(report)
    case = pipeline.claimed(file, model, precision)
    start = perf_counter()
    with show(plain=quiet) as progress:
        progress(case, "load")
        loaded = reference(model, weights, images)
        verdicts = pipeline.check(file, case, loaded, output=output, progress=progress)
        progress(case, "done")
    seconds = {"run": perf_counter() - start}
    command = ["pe-validate", "check", str(file), "--model", model]
    options = {"--weights": weights, "--precision": precision, "--output": output, "--images": images}
    again = command + [str(part) for name, value in options.items() if value for part in (name, value)]
    wanted = required(case, weights, made_here=False)
    explanation, unexplained = pipeline.why(case, file, loaded, verdicts)
    result = Result(
        case,
        seconds,
        loaded.weights.sha256,
        shlex.join(again),
        wanted,
        verdicts=verdicts,
        explanation=explanation,
        unexplained=unexplained,
    )
    finish(shlex.join(command), weights, (result,), start, report, as_json)


app.command()(cli_explain.explain)


@app.command()
def export(
    cases: Annotated[list[str], typer.Argument(metavar="CASE…", help="As for 'run'.")],
    out: Annotated[Path, typer.Option(help="Folder that the artifacts are written to.")],
    weights: Weights = DEFAULT_WEIGHTS,
    calibration: Calibration = None,
    cache_dir: CacheDir = None,
    jobs: Jobs = 2,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the artifacts alone, under file names that contain the case."""
    from pe_validate.gates.verdicts import judge_delegation
    from pe_validate.report.progress import show
    from pe_validate.targets.export import place, writable
    from pe_validate.walk.walk import export_all

    chosen = select(cases)
    with writable(out):  # found out before the long work
        pass
    with show(plain=quiet) as progress:
        made = export_all(chosen, weights, calibration=calibration, cache_dir=cache_dir, progress=progress, jobs=jobs)
        placed = [place(artifact, out) for artifact in made.values()]
    if as_json:
        _print_json([_plain(artifact) for artifact in placed])
    else:
        for artifact in placed:
            print(f"{artifact.path}  {artifact.size / 1e6:.1f} MB  sha256 {artifact.sha256}")
    delegations = [judge_delegation(made.case, made.delegation) for made in placed if made.delegation]
    fragmented = [verdict.sentence for verdict in delegations if verdict.status != "pass"]
    print(*fragmented, sep="\n", end="\n" * bool(fragmented), file=sys.stderr)
    raise typer.Exit(int(bool(fragmented)))


@app.command()
def latency(
    cases: Cases = None,
    weights: Weights = DEFAULT_WEIGHTS,
    rounds: Annotated[int, typer.Option(min=5, max=10_000, help="Timings of each runtime.")] = 30,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Threads of every runtime. [default: all]")
    ] = None,
    cache_dir: CacheDir = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Time eager PyTorch, ONNX Runtime and ExecuTorch in turns, and judge their ratio."""
    from pe_validate.measure import latency as timing
    from pe_validate.models.registry import load_model
    from pe_validate.report.progress import show
    from pe_validate.walk.walk import export_all

    measured = []
    chosen = [case for case in select(cases or DEFAULT) if case.target in timing.TIMED]
    if not chosen:
        raise UsageError(f"None of these can be timed here: choose cases of {' or '.join(timing.TIMED)}.")
    with show(plain=quiet) as progress:
        for model in dict.fromkeys(case.model for case in chosen):
            baseline = Case(model, *timing.BASELINE.split("/"))
            timed = dict.fromkeys([baseline, *(case for case in chosen if case.model == model)])
            artifacts = export_all(tuple(timed), weights, cache_dir=cache_dir, progress=progress)
            eager = Case(model, "eager", "fp32")

            def tick(done: int, eager: Case = eager) -> None:
                if done > 0 and done % 10 == 0:
                    progress(eager, f"timing beside the others, {done} of {rounds} rounds")

            tower = load_model(model, weights)
            measured += timing.measure(tower, artifacts, rounds=rounds, threads=threads, tick=tick)
            progress(eager, "done")
    if as_json:
        _print_json([_plain(row) | {"outcome": row.outcome} for row in measured])
    else:
        Console().print(timing.to_table(measured))
    raise typer.Exit(int(any(row.outcome == "fail" for row in measured)))


@app.command()
def golden(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]…", help="All by default.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Hold today's model to the goldens (default).")] = False,
    update: Annotated[bool, typer.Option("--update", help="Compute and write the goldens.")] = False,
    weights: Annotated[
        str | None, typer.Option(help="What goldens are, or were, made with. [default: seed:7 for --update]")
    ] = None,
    folder: Annotated[Path, typer.Option("--dir", help="Folder of the goldens.")] = Path("golden"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check the stored answers of every model, or with --update write them."""
    from pe_validate.goldens import golden as goldens
    from pe_validate.report.progress import show

    if check and update:
        raise UsageError("Choose one of --check and --update.")
    names = [model_config(model).name for model in models or dict.fromkeys(case.model for case in MATRIX)]
    verdicts: list[Verdict] = []
    with show(plain=quiet) as progress:
        if update:
            goldens.update(
                folder,
                names,
                lambda name: progress(Case(name, "eager", "fp32"), "update"),
                weights or DEFAULT_WEIGHTS,
            )
        for name in names:
            case = Case(name, "eager", "fp32")
            progress(case, "check")
            verdicts += goldens.check(folder, [name], weights)
            progress(case, "done")
    if as_json:
        _print_json([_plain(verdict) for verdict in verdicts])
    else:
        print(*(printable(verdict.sentence) for verdict in verdicts), sep="\n")
    raise typer.Exit(int(any(verdict.status != "pass" for verdict in verdicts)))


@app.command("report")
def show_report(
    folder: Annotated[Path, typer.Argument(help="Where 'run' or 'check' wrote it.")] = DEFAULT_REPORT,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Print only what each deployment costs, as Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Print a stored report again, and exit as the run that made it did."""
    from pe_validate.report.costs import to_cost_table
    from pe_validate.report.model import read

    if sum((markdown, table, as_json)) > 1:
        raise UsageError("Choose one of --markdown, --table and --json.")
    found = read(folder)
    if table:
        print(to_cost_table(found))
        raise typer.Exit(found.exit_code)
    print_report(found, as_json=as_json, markdown=markdown)


def main() -> None:
    """Entry point of ``pe-validate``: a caller's mistake is one sentence, never a traceback."""
    try:
        app()
    except PEValidateError as error:
        _leave(error)
    except OSError as error:
        _leave(refused(error))


def _leave(error: PEValidateError) -> NoReturn:
    print(f"pe-validate: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def _command(verb: str, cases: Sequence[str]) -> str:
    return shlex.join(["pe-validate", verb, *cases])


def _plain(value: object) -> dict[str, object]:
    from pydantic import TypeAdapter

    plain: dict[str, object] = TypeAdapter(type(value)).dump_python(value, mode="json")
    return plain


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1))
