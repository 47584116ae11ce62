"""Whatever bytes a model's file holds, the command line passes it only if it still computes the model."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from commands import COMMAND
from mutations import is_sentence, mutation

from pe_validate.case import Case
from pe_validate.cli.main import main
from pe_validate.data.artifact import Artifact
from pe_validate.data.outputs import Outputs
from pe_validate.gates.numbers import judge_numbers
from pe_validate.gates.registry import tolerance
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.reference.reference import reference
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child
from pe_validate.targets.export import export
from pe_validate.targets.open import run
from pe_validate.targets.registry import target_of

MODEL = "PE-Nano"
SECONDS = 300.0


def typed(folder: Path, *arguments: str) -> tuple[int, str]:
    """What ``pe-validate ARGUMENTS`` exits with, and its last line on stderr."""
    said = io.StringIO()
    sys.argv = ["pe-validate", *arguments, "--report", str(folder / "report"), "--quiet"]
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), (said.getvalue().splitlines() or [""])[-1]
    return 0, ""


@pytest.fixture(scope="module")
def command() -> Iterator[Child]:
    """The process that a user's shell would start, once for all mutations."""
    with Child(preload=COMMAND) as child:
        yield child


def still_computes_the_model(artifact: Artifact, path: Path) -> bool:
    case, model = artifact.case, reference(MODEL)
    try:
        with IsolatedRuntime(path, case.target, target_of(case).reading(case.precision, "model")) as runtime:
            found: Outputs = run(runtime, model.inputs)
    except RunError:
        return False
    return judge_numbers(case, "loss", model.trained, found, tolerance(case, "loss")).status == "pass"


@pytest.mark.parametrize("count", [3, pytest.param(60, marks=pytest.mark.full)])
@pytest.mark.parametrize("kind", ["onnx/fp32", "pte/int8", "mlpackage/fp16", "pte-coreml/fp16"])
def test_a_mutated_model_exits_0_only_if_it_still_computes_the_model(
    kind: str, count: int, command: Child, tmp_path: Path
) -> None:
    artifact = export(Case(MODEL, *kind.split("/")), "seed:7")
    path = tmp_path / artifact.path.name
    codes = []
    for index in range(count):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(artifact.path, path) if artifact.path.is_dir() else shutil.copyfile(artifact.path, path)
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        file = files[index % len(files)]
        file.write_bytes(mutation(file.read_bytes(), file.name, index))
        code, said = command.call(typed, SECONDS, tmp_path, "check", str(path), "--model", MODEL)
        codes.append(code)
        again = f"mutation {index} of {file.name}: exit code {code}, {said!r}"
        assert code in (0, 1, 2, 3), again
        assert code < 2 or (said.startswith("pe-validate: ") and is_sentence(said)), again
        assert code or still_computes_the_model(artifact, path), again
        assert {p.name for p in tmp_path.iterdir()} <= {path.name, "report"}
    assert any(codes), "mutations that are all harmless show nothing"
