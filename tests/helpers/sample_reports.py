"""Reports to render: real verdicts of real comparisons, on made-up features."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.diagnosis import Diagnosis
from pe_validate.data.execution import Execution
from pe_validate.data.explanation import Explanation, Step
from pe_validate.data.latency import Latency, Ratio
from pe_validate.data.outputs import Outputs
from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.data.structure import Delegation
from pe_validate.data.tensors import TensorSpec
from pe_validate.data.verdict import Verdict
from pe_validate.gates.delegation import judge_delegation
from pe_validate.gates.numbers import judge_numbers
from pe_validate.gates.registry import tolerance
from pe_validate.report.costs import to_cost_table
from pe_validate.report.differences import to_json as difference_to_json
from pe_validate.report.differences import to_markdown
from pe_validate.report.differences import to_terminal as to_difference_table
from pe_validate.report.differing import difference
from pe_validate.report.merging import merged
from pe_validate.report.render import FILES, to_terminal
from pe_validate.report.stored import make_report, to_json
from pe_validate.system.errors import PEValidateError
from pe_validate.targets.registry import file_name

ONNX = Case("PE-Core-T16-384", "onnx", "fp32")
PTE = Case("PE-Core-T16-384", "pte", "fp32")
CORE_ML = Case("PE-Core-T16-384", "mlpackage", "fp16")

REQUIRED: Final = ("fidelity", "loss")
AGAIN = "pe-validate run THIS --weights seed:7"
RIVALS: Final = ("onnx/fp32", "onnx/int8", "eager/fp32")
"""What programs are timed beside, the baseline first."""

GOOD = np.random.default_rng(0).standard_normal((1, 512)).astype(np.float32)
BAD = {"off": GOOD * np.float32(1.5), "nan": np.where(GOOD > 1, np.float32(np.nan), GOOD)}


def artifact(case: Case) -> Artifact:
    return Artifact(
        case=case,
        path=Path("/cache") / file_name(case),
        sha256="a" * 64,
        size=22_600_000,
        inputs=(TensorSpec("image", (1, 3, 384, 384), "float32"),),
        outputs=(TensorSpec("features", (1, 512), "float32"),),
        weights="seed:7",
        weights_sha256="b" * 64,
        tools={"torch": "2.13.0"},
        seconds=12.5,
        delegation=Delegation(1, ()) if case.target == "pte" else None,
    )


def judged(case: Case, gate: str, reference: Outputs, found: Outputs) -> Verdict:
    return judge_numbers(case, gate, reference, found, tolerance(case, gate))


def verdicts(case: Case, fault: str | None = None, producer: str = "some runtime 1.0") -> tuple[Verdict, ...]:
    answer = GOOD if fault is None else BAD[fault]
    model = Outputs("PyTorch eager", {"china": GOOD, "hot-pixel": GOOD})
    found = Outputs(producer, {"china": GOOD, "hot-pixel": answer})
    numbers = tuple(judged(case, gate, model, found) for gate in ("fidelity", "loss"))
    return (*numbers, judge_delegation(case, Delegation(1, ()))) if case.target == "pte" else numbers


def passing(case: Case = ONNX, **about: str) -> Result:
    return Result(
        case, {"export": 12.5, "run": 3.25}, "b" * 64, AGAIN, REQUIRED, artifact(case), verdicts(case, **about)
    )


def failing(case: Case = ONNX, fault: str = "off", **about: str) -> Result:
    return Result(
        case, {"export": 12.5, "run": 3.25}, "b" * 64, AGAIN, REQUIRED, artifact(case), verdicts(case, fault, **about)
    )


def misshapen(case: Case = ONNX) -> Result:
    """Features of another size: a failure without numbers."""
    model, found = Outputs("PyTorch eager", {"china": GOOD}), Outputs("some runtime 1.0", {"china": GOOD[:, :8]})
    return Result(case, {"run": 3.25}, "b" * 64, AGAIN, REQUIRED, verdicts=(judged(case, "identity", model, found),))


def erring(case: Case = ONNX, error: str = "Exporting failed: it did.") -> Result:
    return Result(case, {}, "b" * 64, AGAIN, REQUIRED, error=error)


def unjudged(case: Case = ONNX) -> Result:
    return Result(case, {"export": 12.5}, "b" * 64, AGAIN, REQUIRED, artifact(case))


def report(*results: Result, command: str = "pe-validate run PE-Core-T16-384", weights: str = "seed:7") -> Report:
    return make_report(command, weights, results, 20.0)


def measured() -> Result:
    """One result with every part that a result can have."""
    steps = (Step("block 0 MLP", float("inf"), "add_1"), Step("pooling", 3.0, "mul_2"))
    return replace(
        failing(PTE),
        latency=Latency("PE-Core-T16-384", "pte/fp32", 2, 30, 50.0, dict.fromkeys(RIVALS, Ratio(0.5, 0.4, 0.6)), 0.9),
        peak_memory=150_000_000,
        half_sums={32: 58.0, 8: 54.0},
        diagnosis=Diagnosis(PTE, "loss", ("bgr",), "fed with BGR", float("inf"), 4.0, float("-inf"), 30, 0.5),
        explanation=Explanation(PTE, "loss", "the model", "china", 60.0, steps, "pooling"),
        profile="iphone-14",
        execution=Execution("iphone-14", "ExecuTorch 1.4, emulated", {"kai": 9, "other": 1}, {"kai": 0.6}, 1_500_000),
    )


def shown(report: Report) -> list[str]:
    """It in every form that there is."""
    terminal = Console(file=StringIO())
    terminal.print(to_terminal(report))
    assert isinstance(terminal.file, StringIO)
    files = [render(report).decode() for render in FILES.values()]
    return [terminal.file.getvalue(), to_cost_table(report), *files]


def compared(base: Report, head: Report) -> list[bytes]:
    """What has changed between two reports, both ways and in every form, and the two joined; or why not."""
    found: list[bytes] = []
    for reports in ((base, head), (head, base)):
        try:
            change = difference(*reports, ("base", "head"))
            Console(file=StringIO()).print(to_difference_table(change))
            found += [to_markdown(change).encode(), difference_to_json(change)]
            found.append(to_json(merged(reports, ("base", "head"), "pe-validate merge")))
        except PEValidateError as error:
            found.append(str(error).encode())
    return found


def mixed() -> Report:
    """Every kind of outcome that a report can hold."""
    return report(
        passing(ONNX),
        failing(PTE),
        failing(CORE_ML, "nan", producer="Core ML reference evaluator, declared"),
        erring(Case("PE-Core-S16-384", "onnx", "fp32")),
        unjudged(Case("PE-Core-S16-384", "pte", "fp32")),
        misshapen(Case("PE-Core-S16-384", "mlpackage", "fp32")),
    )
