"""What a diff of two reports finds, which of it blocks, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sample_reports as sample
from rich.console import Console

from pe_validate.data.artifact import Artifact
from pe_validate.data.difference import Difference, Finding
from pe_validate.data.execution import Execution
from pe_validate.data.latency import Latency, Ratio
from pe_validate.data.limits import Limits
from pe_validate.data.provenance import Commit, File, StageError
from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.data.structure import Delegation
from pe_validate.report.allowed import Acceptance, acceptance, accepted
from pe_validate.report.differences import to_json, to_markdown, to_terminal
from pe_validate.report.differing import difference
from pe_validate.system.errors import ReportError, UsageError

GOOD = sample.passing(sample.PTE)
HOSTILE = "[red]x[/red] | `a` <script>alert(1)</script> @everyone [link](http://x)"


def diff(base: Report | Result, head: Report | Result) -> Difference:
    reports = [sample.report(each) if isinstance(each, Result) else each for each in (base, head)]
    return difference(reports[0], reports[1], ("base", "head"))


def told(found: Difference) -> list[tuple[str, str, str]]:
    """Of each finding the subject, its aspect and its kind."""
    return [(finding.subject, finding.aspect, finding.kind) for finding in found.sorted]


def made(**changes: Any) -> Result:
    """A result with another artifact."""
    assert GOOD.artifact
    return replace(GOOD, artifact=replace(GOOD.artifact, **changes))


def other_numbers(result: Result, by: float) -> Result:
    """The result with an SNR of 100 dB and ``by`` more in each gate that has numbers."""
    verdicts = tuple(
        replace(v, worst=replace(v.worst, snr_db=100 + by, max_rel=1e-6)) if v.worst else v for v in result.verdicts
    )
    return replace(result, verdicts=verdicts)


def limited(result: Result, limit: Limits) -> Result:
    """The result with other limits for fidelity."""
    first = result.verdicts[0]
    assert first.tolerance
    edited = replace(first, tolerance=replace(first.tolerance, limit=limit))
    return replace(result, verdicts=(edited, *result.verdicts[1:]))


def test_a_report_does_not_differ_from_itself() -> None:
    for report in (sample.mixed(), sample.report(sample.measured()), sample.report(GOOD)):
        found = difference(report, report, ("base", "head"))
        assert found.findings == ()
        assert found.exit_code == 0
        assert found.headlines[0].startswith("0 regressions, 0 allowed, 0 improvements, 0 changes; ")


@pytest.mark.parametrize(
    ("base", "head", "expected"),
    [
        (sample.passing(), sample.failing(), [("fidelity", "gate", "regression"), ("loss", "gate", "regression")]),
        (sample.failing(), sample.passing(), [("fidelity", "gate", "improvement"), ("loss", "gate", "improvement")]),
        (sample.passing(), sample.erring(), [("case", "case", "regression")]),
        (sample.failing(), sample.erring(), [("case", "case", "regression")]),
        (sample.erring(), sample.passing(), [("case", "case", "improvement")]),
        (sample.erring(), sample.failing(), [("case", "case", "change")]),
        (sample.passing(), sample.unjudged(), [("fidelity", "gate", "regression"), ("loss", "gate", "regression")]),
    ],
    ids=["fails", "is mended", "ends early", "fails, then ends early", "runs again", "runs and fails", "is not judged"],
)
def test_another_outcome_is_said_once(base: Result, head: Result, expected: list[tuple[str, str, str]]) -> None:
    found = diff(base, head)
    assert told(found) == expected
    assert found.exit_code == int("regression" in {kind for _, _, kind in expected})


def test_a_case_that_went_blocks_and_a_new_one_does_not() -> None:
    gone = diff(sample.report(GOOD, sample.passing()), GOOD)
    assert [(f.name, f.kind) for f in gone.findings] == [(f"{sample.ONNX}/case", "regression")]
    assert gone.exit_code == 1
    new = diff(GOOD, sample.report(GOOD, sample.failing()))
    assert [(f.name, f.kind, f.head) for f in new.findings] == [(f"{sample.ONNX}/case", "change", "fail")]
    assert new.exit_code == 0


def test_a_gate_that_is_asked_no_more_blocks() -> None:
    found = diff(GOOD, replace(GOOD, required=("fidelity",)))
    assert told(found) == [("loss", "limit", "regression")]
    without = replace(GOOD, required=("fidelity",), verdicts=tuple(v for v in GOOD.verdicts if v.gate != "loss"))
    assert told(diff(GOOD, without)) == [("loss", "limit", "regression")]


def test_a_gate_that_is_new_blocks_only_if_it_fails() -> None:
    before = replace(sample.failing(), verdicts=sample.failing().verdicts[1:], required=("loss",))
    assert told(diff(before, sample.failing())) == [("fidelity", "gate", "regression")]
    before = replace(GOOD, verdicts=GOOD.verdicts[1:], required=("loss",))
    assert told(diff(before, GOOD)) == [("fidelity", "gate", "change")]


def test_what_ended_the_head_early_blocks() -> None:
    base = sample.report(GOOD)
    head = replace(base, results=(), errors=(StageError("Cannot load the weights."),))
    found = diff(base, head)
    assert told(found) == [("stages", "stages", "regression"), ("case", "case", "regression")]
    assert found.findings[0].why == "Cannot load the weights."
    assert told(diff(head, base)) == [("stages", "stages", "improvement"), ("case", "case", "change")]


def test_one_file_on_one_machine_may_not_move_at_all() -> None:
    found = diff(other_numbers(GOOD, 0), other_numbers(GOOD, -1e-9))
    assert told(found) == [("fidelity", "numbers", "regression"), ("loss", "numbers", "regression")]
    assert "bit-identical" in found.findings[0].why


@pytest.mark.parametrize(
    "another",
    [
        lambda report: replace(report, machine="another"),
        lambda report: replace(report, tools={"torch": "3"}),
        lambda report: replace(report, results=tuple(replace(r, weights_sha256="c") for r in report.results)),
        lambda report: replace(
            report, results=tuple(replace(r, artifact=made(sha256="c").artifact) for r in report.results)
        ),
        lambda report: replace(report, results=tuple(replace(r, artifact=None) for r in report.results)),
    ],
    ids=["machine", "tools", "weights", "file", "unknown file"],
)
def test_another_machine_file_or_tool_moves_numbers_a_little(another: object) -> None:
    assert callable(another)
    base = sample.report(other_numbers(GOOD, 0))
    assert diff(base, another(sample.report(other_numbers(GOOD, -1)))).findings == ()
    assert diff(base, another(sample.report(other_numbers(GOOD, -5)))).exit_code == 1


def test_the_file_of_a_check_is_known_by_its_digest() -> None:
    base, head = (replace(other_numbers(GOOD, by), artifact=None, judged=File(Path("a.pte"), "d", 3)) for by in (0, -1))
    assert diff(base, head).exit_code == 1
    assert diff(base, replace(head, judged=File(Path("b.pte"), "e", 3))).exit_code == 0


def test_weaker_limits_block_and_come_first() -> None:
    weaker = limited(sample.failing(sample.PTE), Limits(2.4e-5, 90, 0.999999999))
    found = diff(GOOD, weaker)
    assert told(found)[0] == ("fidelity", "limit", "regression")
    assert (found.sorted[0].base, found.sorted[0].head) == ("SNR 107.0 dB", "SNR 90.0 dB")
    assert told(diff(weaker, sample.failing(sample.PTE))) == [("fidelity", "limit", "change")]


@pytest.mark.parametrize(
    "limit",
    [Limits(1e-4, 107, 0.999999999), Limits(2.4e-5, 107, 0.9), Limits(1e-4, 120, 0.9999999999)],
    ids=["max", "cosine", "one of three"],
)
def test_limits_of_which_one_is_weaker_are_weaker(limit: Limits) -> None:
    assert told(diff(GOOD, limited(GOOD, limit))) == [("fidelity", "limit", "regression")]


COSTS: dict[str, Sequence[Result]] = {
    "size": (made(size=100_000), made(size=102_000)),
    "delegation": (made(delegation=Delegation(1, ())), made(delegation=Delegation(3, ()))),
    "operators": (made(delegation=Delegation(1, ())), made(delegation=Delegation(1, ("aten.gelu",)))),
    "memory": (replace(GOOD, peak_memory=100_000), replace(GOOD, peak_memory=120_000)),
    "instructions": tuple(
        replace(GOOD, execution=Execution("iphone-14", "emulated", instructions=n)) for n in (1000, 1040)
    ),
    "latency": tuple(
        replace(GOOD, latency=Latency("m", "s", 2, 30, 5.0, {"onnx/fp32": Ratio(mid, mid - 0.1, mid + 0.1)}, 0.9))
        for mid in (1.0, 1.3)
    ),
}


@pytest.mark.parametrize("aspect", COSTS)
def test_a_cost_that_grew_blocks_and_one_that_shrank_is_better(aspect: str) -> None:
    cheap, dear = COSTS[aspect]
    assert told(diff(cheap, dear)) == [(aspect, aspect, "regression")]
    assert told(diff(dear, cheap)) == [(aspect, aspect, "improvement")]


def test_costs_that_moved_by_chance_are_not_told() -> None:
    assert diff(made(size=100_000), made(size=100_900)).findings == ()
    assert diff(replace(GOOD, peak_memory=100_000), replace(GOOD, peak_memory=109_000)).findings == ()
    assert diff(GOOD, replace(GOOD, peak_memory=1)).findings == (), "measured once"


@pytest.mark.parametrize("change", [{"others": 0.5}, {"threads": 1}, {"ratios": {"onnx/fp32": Ratio(1.15, 1, 1.5)}}])
def test_a_latency_is_worse_only_if_intervals_lie_apart_on_a_quiet_machine(change: dict[str, Any]) -> None:
    cheap, dear = COSTS["latency"]
    assert dear.latency
    assert diff(cheap, replace(dear, latency=replace(dear.latency, **change))).findings == ()


def test_other_products_and_other_kernels_are_told() -> None:
    found = diff(
        made(delegation=Delegation(1, (), {"linear f32": 5})), made(delegation=Delegation(1, (), {"linear qd8": 5}))
    )
    assert [(f.aspect, f.kind, f.base, f.head) for f in found.findings] == [
        ("operators", "change", "linear f32", "linear qd8")
    ]
    ran = [replace(GOOD, execution=Execution("iphone-14", "emulated", {name: 9})) for name in ("kai_a", "kai_b")]
    assert told(diff(*ran)) == [("operators", "operators", "change")]


def test_reports_without_a_case_in_common_are_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"'base' and 'head' have no case in common: .*\.$"):
        diff(GOOD, sample.passing())


def test_a_case_that_a_report_has_twice_is_refused() -> None:
    with pytest.raises(ReportError, match=f"The report 'head' has {sample.PTE} twice"):
        diff(GOOD, sample.report(GOOD, sample.failing(sample.PTE)))


def test_the_first_lines_say_what_else_is_different() -> None:
    base = replace(sample.report(GOOD), commit=Commit("a" * 40, True), tools={"torch": "1", "old": "2"})
    head = replace(base, commit=Commit("b" * 40, False), tools={"torch": "2"}, machine="M2", weights="seed:8")
    head = replace(head, results=(replace(GOOD, weights_sha256="c"),), configuration=(File(Path("x"), "d", 1),))
    assert diff(base, head).headlines == [
        "0 regressions, 0 allowed, 0 improvements, 0 changes; 1 case in both.",
        "0 of 1 were judged on the same file.",
        f"Another machine: {base.machine} → M2.",
        "Other tools: old 2 → –, torch 1 → 2.",
        "Other weights: seed:7 → seed:8.",
        "Another configuration of models.",
        f"Commit {'a' * 40} → {'b' * 40}, with edits.",
    ]


def test_what_is_allowed_by_name_does_not_block_and_keeps_its_reason() -> None:
    found = accepted(diff(*COSTS["size"]), [acceptance(f"{sample.PTE}/size=A larger table = better.")])
    assert found.exit_code == 0
    assert [finding.allowed for finding in found.findings] == ["A larger table = better."]
    assert found.headlines[0].startswith("0 regressions, 1 allowed, ")
    assert "allowed: A larger table = better." in to_markdown(found)


def test_one_that_is_allowed_leaves_the_others_in_the_way() -> None:
    found = diff(GOOD, sample.failing(sample.PTE))
    assert accepted(found, [Acceptance(f"{sample.PTE}/loss", "known")]).exit_code == 1
    both = [Acceptance(f"{sample.PTE}/{gate}", "known") for gate in ("loss", "fidelity")]
    assert accepted(found, both).exit_code == 0


@pytest.mark.parametrize("words", ["", "a/b", "a/b=", "a/b=  ", "=because", "  =because"])
def test_to_allow_takes_a_name_and_a_reason(words: str) -> None:
    with pytest.raises(UsageError, match=r"is not CASE/GATE=REASON"):
        acceptance(words)


@pytest.mark.parametrize("name", ["size", "case", "loss"])
def test_to_allow_what_is_no_regression_is_a_mistake(name: str) -> None:
    with pytest.raises(UsageError, match="which is no regression here"):
        accepted(diff(*reversed(COSTS["size"])), [Acceptance(f"{sample.PTE}/{name}", "why")])
    with pytest.raises(UsageError, match=f"Did you mean '{sample.PTE}/size'"):
        accepted(diff(*COSTS["size"]), [Acceptance(f"{sample.PTE}/sizes", "why")])


def every_kind() -> Difference:
    base = sample.report(GOOD, sample.failing(), sample.passing(sample.CORE_ML))
    return diff(base, sample.report(sample.failing(sample.PTE), sample.passing(), sample.passing(sample.CORE_ML)))


def printed(found: Difference, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(to_terminal(found))
    return captured.get()


def test_the_terminal_fits_eighty_columns_and_shows_what_blocks_first() -> None:
    lines = printed(every_kind()).splitlines()
    assert max(map(len, lines)) <= 80
    words = [line.split()[0] for line in lines if line.startswith(("worse", "better"))]
    assert words == ["worse", "worse", "better", "better"]


def test_json_has_every_finding_by_its_name() -> None:
    found = every_kind()
    content = json.loads(to_json(found))
    assert content["headlines"] == found.headlines
    assert content["exit_code"] == 1
    assert [entry["name"] for entry in content["findings"]] == [finding.name for finding in found.findings]
    assert [entry["blocks"] for entry in content["findings"]] == [True, True, False, False]


def test_markdown_has_a_row_of_five_cells_for_each_finding() -> None:
    rows = [line for line in to_markdown(every_kind()).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(every_kind().findings)
    assert {row.count(" |") for row in rows} == {5}


def hostile() -> Iterator[Finding]:
    for aspect in ("size", "case"):
        yield Finding(HOSTILE, aspect, aspect, "regression", HOSTILE, HOSTILE, HOSTILE)


def test_nothing_in_a_report_is_taken_for_markup() -> None:
    found = replace(every_kind(), findings=tuple(hostile()), notes=(HOSTILE,))
    assert HOSTILE in printed(found, 900)
    marked = to_markdown(found)
    assert not {"<", ">", "`", "@", "[", "*"} & set(marked)
    assert {row.count(" |") for row in marked.splitlines() if row.startswith("|")} == {5}


def test_a_new_artifact_alone_is_no_finding() -> None:
    assert isinstance(GOOD.artifact, Artifact)
    found = diff(GOOD, made(sha256="0" * 64, path=Path("/elsewhere")))
    assert found.findings == ()
    assert found.notes[0] == "0 of 1 were judged on the same file."
