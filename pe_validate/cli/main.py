"""The command line. Exit codes: 0 passed, 1 a gate failed, 2 usage error, 3 a stage failed, 130 Ctrl-C."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pe_validate.case import Case, default_cases, matrix, select
from pe_validate.cli import accuracy as cli_accuracy
from pe_validate.cli import arm64 as cli_arm64
from pe_validate.cli import classes as cli_classes
from pe_validate.cli import coreai as cli_coreai
from pe_validate.cli import coreml as cli_coreml
from pe_validate.cli import diff as cli_diff
from pe_validate.cli import explain as cli_explain
from pe_validate.cli import init as cli_init
from pe_validate.cli import ios as cli_ios
from pe_validate.cli import merge as cli_merge
from pe_validate.cli import upgrade as cli_upgrade
from pe_validate.cli.options import (
    CacheDir,
    Calibration,
    Ema,
    Images,
    Jobs,
    Json,
    ModelOfFiles,
    Quiet,
    Weights,
    averaged,
    case_argument,
)
from pe_validate.cli.printing import Unread, finish, plain, print_json, print_report, print_table
from pe_validate.cli.reporting import reporting
from pe_validate.data.case import itself
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import WITH_GOLDENS, model_named
from pe_validate.system.errors import PEValidateError, UsageError, refused
from pe_validate.system.legible import printable
from pe_validate.system.threads import sleep_while_waiting
from pe_validate.targets.registry import targets
from pe_validate.walk.again import command

if TYPE_CHECKING:
    from pe_validate.data.verdict import Verdict

# Stages are imported in the commands, after their arguments are read: neither 'pe-validate list' nor a case that does
# not exist need wait for what computes.

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"max_content_width": 100},
    rich_markup_mode=None,  # it would take what stands in brackets for markup, and leave it out
    pretty_exceptions_enable=False,
)
app.add_typer(cli_arm64.app, name="arm64")
app.add_typer(cli_coreai.app, name="coreai")
app.add_typer(cli_coreml.app, name="coreml")
app.add_typer(cli_ios.app, name="ios")

Cases = Annotated[
    list[str] | None,
    case_argument("CASE", "A case such as PE-Core-S16-384/pte/fp32, or the beginning of one; * is a wildcard."),
]
ReportDir = Annotated[Path, typer.Option("--report", help="Folder to write the report to.")]

DEFAULT_REPORT = Path("build/report")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"pe-validate {version('pe-validate')}")
        raise typer.Exit


@app.callback()
def group(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Prove that a converted vision model is still the model."""


@app.command("list")
def list_cases(cases: Cases = None, as_json: Json = False) -> None:
    """Print the matrix: every model, target and precision."""
    chosen = select(cases) if cases else matrix()
    if as_json:
        print_json([{"case": str(c), "model": c.model, "target": c.target, "precision": c.precision} for c in chosen])
    else:
        print(*chosen, sep="\n")


@app.command()
def run(
    cases: Cases = None,
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
    images: Images = None,
    calibration: Calibration = None,
    report: ReportDir = DEFAULT_REPORT,
    cache_dir: CacheDir = None,
    jobs: Jobs = 2,
    measure: Annotated[bool, typer.Option("--measure", help="Also measure latency and peak memory.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Export, run and judge cases; by default the recommended ones of every target."""
    if not measure:  # a runtime is timed as an app has it
        sleep_while_waiting()
    weights = averaged(weights, ema)
    chosen = select(cases) if cases else default_cases()

    from pe_validate.report.progress import show
    from pe_validate.walk.walk import validate_all

    options: dict[str, object] = {"--weights": weights, "--images": images, "--calibration": calibration}
    words = command("run", *(cases or []), options=options)
    start = perf_counter()
    with reporting(words, weights, report, as_json), show(plain=quiet) as progress:
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
            from pe_validate.measure.measurements import with_measurements

            progress(chosen[0], "measure every program, one after the other")
            results = with_measurements(results, weights, cache_dir)
    finish(words, weights, results, start, report, as_json, images)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A file that someone else made, such as an .onnx, .pte or .mlpackage.")],
    model: Annotated[str, typer.Option(help="The model that it claims to be.")],
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
    precision: Annotated[str | None, typer.Option(help="Its precision. [default: read from the file]")] = None,
    output: Annotated[str | None, typer.Option(help="Name of the output to judge, if there are several.")] = None,
    contract: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            help="Differences to the model's interface that are meant, such as NHWC,bytes or batch=4,normalised.",
        ),
    ] = None,
    images: Images = None,
    report: ReportDir = DEFAULT_REPORT,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Answer "is this file that model?" for an artifact that someone else made."""
    from pe_validate.data.progress import counting
    from pe_validate.inputs.contract import contract_named
    from pe_validate.reference.reference import reference
    from pe_validate.report.progress import show
    from pe_validate.report.provenance import file_at
    from pe_validate.walk.check import check as judge
    from pe_validate.walk.check import claimed

    weights = averaged(weights, ema)
    try:
        accepted = contract_named(contract) if contract else None
    except ValueError as error:
        raise UsageError(f"--contract: {error}.") from error
    options: dict[str, object] = {"--weights": weights, "--precision": precision, "--output": output}
    options |= {"--contract": contract, "--images": images}
    words = command("check", str(file), "--model", model, options=options)
    start = perf_counter()
    with reporting(words, weights, report, as_json, file), show(plain=quiet) as progress:
        claim = claimed(file, model, precision)
        identity = file_at(file)
        progress(claim.case, "load")
        counted = counting(progress, claim.case, "run the model itself")
        loaded = reference(model, weights, images, counted=counted)
        result = judge(claim, loaded, output=output, contract=accepted, again=words, progress=progress)
        progress(claim.case, "done")
    result = replace(result, seconds={"run": perf_counter() - start}, judged=identity)
    finish(words, weights, (result,), start, report, as_json, images)


app.command()(cli_accuracy.accuracy)
app.command()(cli_classes.classes)
app.command()(cli_diff.diff)
app.command()(cli_explain.explain)
app.command()(cli_init.init)
app.command()(cli_merge.merge)
app.command()(cli_upgrade.upgrade)


@app.command()
def export(
    cases: Annotated[list[str], case_argument("CASE", "As for 'run'.")],
    out: Annotated[Path, typer.Option(help="Folder to write the artifacts to.")],
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
    calibration: Calibration = None,
    cache_dir: CacheDir = None,
    jobs: Jobs = 2,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Export cases without judging them, to files named after the case."""
    weights = averaged(weights, ema)
    chosen = select(cases)

    from pe_validate.gates.delegation import judge_delegation
    from pe_validate.report.progress import show
    from pe_validate.targets.export import place, writable
    from pe_validate.walk.walk import export_all

    with writable(out):  # fails before the long work if the folder cannot be written
        pass
    with show(plain=quiet) as progress:
        made = export_all(chosen, weights, calibration=calibration, cache_dir=cache_dir, progress=progress, jobs=jobs)
        placed = [place(artifact, out) for artifact in made.values()]
    if as_json:
        print_json([plain(artifact) for artifact in placed])
    else:
        for artifact in placed:
            print(f"{artifact.path}  {artifact.size / 1e6:.1f} MB  sha256 {artifact.sha256}")
    delegations = [judge_delegation(made.case, made.delegation) for made in placed if made.delegation]
    fragmented = [verdict.sentence for verdict in delegations if verdict.status != "pass"]
    print(*fragmented, sep="\n", end="\n" * bool(fragmented), file=sys.stderr)
    raise typer.Exit(int(bool(fragmented)))


@app.command()
def latency(
    cases: Annotated[list[str] | None, case_argument("CASE|FILE", "As for 'run', or files of --model.")] = None,
    model: ModelOfFiles = None,
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
    rounds: Annotated[int, typer.Option(min=5, max=10_000, help="Number of timings of each runtime.")] = 30,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Threads of every runtime. [default: all]")
    ] = None,
    cache_dir: CacheDir = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Time eager PyTorch, ONNX Runtime and ExecuTorch in turns, and judge the ratios."""
    from pe_validate.measure import latency as timing
    from pe_validate.models.registry import load_model
    from pe_validate.report.latencies import to_table
    from pe_validate.report.progress import show
    from pe_validate.walk.files import chosen
    from pe_validate.walk.walk import export_all

    weights = averaged(weights, ema)
    measured = []
    named, files = chosen(cases, model, weights) if cases else (default_cases(), {})
    timed = [case for case in named if timing.timed(case)]
    if not timed:
        kinds = " or ".join(target.name for target in targets().values() if target.timed)
        raise UsageError(f"None of these can be timed here: choose cases of {kinds}.")
    with show(plain=quiet) as progress:
        for name in dict.fromkeys(case.model for case in timed):
            beside = dict.fromkeys([Case(name, *timing.baseline()), *(case for case in timed if case.model == name)])
            artifacts = export_all(tuple(beside), weights, cache_dir=cache_dir, progress=progress, files=files)
            eager = itself(name)

            def tick(done: int, eager: Case = eager) -> None:
                if done > 0 and done % 10 == 0:
                    progress(eager, f"timing beside the others, {done} of {rounds} rounds")

            module = load_model(name, weights)
            measured += timing.measure(module, model_named(name), artifacts, rounds=rounds, threads=threads, tick=tick)
            progress(eager, "done")
    if as_json:
        print_json([plain(row) | {"outcome": row.outcome} for row in measured])
    else:
        print_table(to_table(measured))
    raise typer.Exit(int(any(row.outcome == "fail" for row in measured)))


@app.command()
def golden(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL|FILE]…",
            help="Models, by default all with a golden; or files of --model to replay goldens with.",
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare today's model with the goldens (default).")] = False,
    update: Annotated[bool, typer.Option("--update", help="Compute and write the goldens.")] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="Weights of the goldens. [default: seed:7 for --update, else those in the manifest]"),
    ] = None,
    model: ModelOfFiles = None,
    folder: Annotated[Path, typer.Option("--dir", help="Folder of the goldens.")] = Path("golden"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check the stored outputs of models, or write them with --update."""
    from pe_validate.goldens import golden as goldens
    from pe_validate.goldens.replay import replay
    from pe_validate.report.progress import show
    from pe_validate.walk.files import claims, is_file

    if check and update:
        raise UsageError("Choose one of --check and --update.")
    files = claims([word for word in models or () if is_file(word)], model)
    if files and update:
        raise UsageError("Goldens are made of models, never of files: leave out --update.")
    names = [model_named(word).name for word in models or WITH_GOLDENS if not is_file(word)]
    verdicts: list[Verdict] = []
    with show(plain=quiet) as progress:
        if update:
            goldens.update(
                folder,
                names,
                lambda name: progress(itself(name), "update"),
                weights or DEFAULT_WEIGHTS,
            )
        for name in names:
            case = itself(name)
            progress(case, "check")
            verdicts += goldens.check(folder, [name], weights)
            progress(case, "done")
        for case, claim in files.items():
            progress(case, "replay")
            verdicts.append(replay(folder, claim))
            progress(case, "done")
    if as_json:
        print_json([plain(verdict) for verdict in verdicts])
    else:
        print(*(printable(verdict.sentence) for verdict in verdicts), sep="\n")
    raise typer.Exit(int(any(verdict.status != "pass" for verdict in verdicts)))


@app.command("report")
def show_report(
    folder: Annotated[Path, typer.Argument(help="Folder that 'run' or 'check' wrote the report to.")] = DEFAULT_REPORT,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Print only the table of costs, as Markdown.")] = False,
    as_json: Json = False,
    form: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of report.json, of any report.")
    ] = False,
) -> None:
    """Print a stored report again, and exit with the exit code of the run that made it."""
    from pe_validate.report.costs import to_cost_table
    from pe_validate.report.stored import read

    if sum((markdown, table, as_json, form)) > 1:
        raise UsageError("Choose one of --markdown, --table, --json and --schema.")
    if form:
        from pe_validate.report.published import to_schema

        print(to_schema(), end="")
        raise typer.Exit
    found = read(folder)
    if table:
        print(to_cost_table(found))
        raise typer.Exit(found.exit_code)
    print_report(found, as_json=as_json, markdown=markdown)


def main() -> None:
    """Run ``pe-validate``; a user's mistake is reported in one sentence, never as a traceback."""
    sys.stdout = Unread(sys.stdout)
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # it is ignored in what a shell runs in the background
        signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
        sys.stdout.flush()
    except PEValidateError as error:
        _exit_with(error)
    except OSError as error:
        _exit_with(refused(error))
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(number: int, _: object) -> NoReturn:
    """Exit as shells expect of a command that Ctrl-C ended."""
    raise SystemExit(128 + number)


def _exit_with(error: PEValidateError) -> NoReturn:
    print(f"pe-validate: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
