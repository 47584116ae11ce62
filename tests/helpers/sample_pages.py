"""Reports as large, and as hostile, as a page has to show."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from math import log10
from typing import Final

import sample_reports as sample

from pe_validate.case import MATRIX, Case
from pe_validate.data.comparison import Comparison, worst
from pe_validate.data.execution import Execution
from pe_validate.data.explanation import Explanation, Step
from pe_validate.data.latency import Budget, Latency, Ratio
from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.data.tasks import Neighbours
from pe_validate.data.verdict import Verdict
from pe_validate.gates.registry import tolerance
from pe_validate.report.margins import of_gate
from pe_validate.report.pictures import pictures_of
from pe_validate.system.legible import legible

INPUTS: Final = ("china", "flower", "grace_hopper", "gradient", "checkerboard", "hot-pixel")
GATES: Final = ("rewrite", "fidelity", "loss", "extremes")
PLAIN: Final = ("interface", "determinism", "retrieval", "delegation", "arithmetic", "weights")
ROUNDS: Final = 30
CROPS: Final = tuple(
    f"china {number} {9 * number}-{7 * number}-{9 * number + 200}-{7 * number + 180}" for number in range(7)
)
MOVED: Final = (Neighbours(CROPS[0], CROPS[1:6], (CROPS[2], CROPS[1], *CROPS[3:5], CROPS[6])),)

HOSTILE: Final = (
    "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \" ' & ${x} `x` \\u003c \x1b[2J \u2028"
)
"""What a name in a file may be."""


@cache
def full_matrix() -> Report:
    """Every case of every model, some of which fail, as a run with ``--measure`` reports it, with pictures."""
    chance = random.Random(0)
    results = tuple(_result(case, chance, number) for number, case in enumerate(MATRIX))
    return replace(sample.report(*results, command="pe-validate run 'PE-*' --measure"), pictures=pictures_of(results))


def _result(case: Case, chance: random.Random, number: int) -> Result:
    if number % 90 == 50:
        return sample.erring(case, "Exporting failed: the converter knows no operator 'aten::new'.")
    numbers = tuple(_numbers(case, gate, chance, faulty=number % 40 == 7 and gate == "loss") for gate in GATES)
    plain = tuple(Verdict(case, gate, "pass", f"{case} passes {gate}: as it should be.", "", "") for gate in PLAIN)
    plain = tuple(replace(each, moved=MOVED) if each.gate == "retrieval" else each for each in plain)
    made = Result(
        case,
        {"export": chance.uniform(1, 60), "run": chance.uniform(1, 20)},
        "b" * 64,
        f"pe-validate run {case} --weights seed:7",
        (*GATES, *PLAIN),
        replace(sample.artifact(case), size=chance.randrange(10**6, 10**9)),
        (*numbers, *plain),
        latency=_latency(case, chance),
        peak_memory=chance.randrange(10**8, 10**9),
    )
    return replace(made, explanation=_explanation(case, chance)) if made.status == "fail" else made


def _numbers(case: Case, gate: str, chance: random.Random, faulty: bool) -> Verdict:
    row = tolerance(case, gate)
    found = {}
    for name in ("black", "white") if gate == "extremes" else INPUTS:
        used = 10 ** chance.gauss(-0.8 if case.precision.startswith("fp") else -0.4, 0.15)
        used = min(used, 0.97) * (30 if faulty else 1)
        snr, cosine = row.limit.snr_db - 20 * log10(used), 1 - (1 - row.limit.cosine) * used**2
        found[name] = Comparison(row.limit.max_rel * used, row.limit.max_rel * used, snr, cosine, finite=True)
    verdict = Verdict(
        case,
        gate,
        "fail" if faulty else "pass",
        f"{case} {'fails' if faulty else 'passes'} {gate} on 6 inputs: some runtime 1.0 against PyTorch eager.",
        "PyTorch 2.13.0 eager",
        f"the runtime of {case.target} 1.0",
        worst(list(found.values())),
        found,
        row,
    )
    margin = of_gate(verdict)
    assert margin
    return replace(verdict, status="fail" if margin.used > 1 else "pass")


def _latency(case: Case, chance: random.Random) -> Latency:
    paired = {
        rival: tuple(round(at * chance.uniform(0.9, 1.15), 5) for _ in range(ROUNDS))
        for rival, at in zip(sample.RIVALS, (0.8, 0.6, 0.4), strict=True)
    }
    ratios = {rival: Ratio(sorted(each)[15], sorted(each)[9], sorted(each)[20]) for rival, each in paired.items()}
    budget = Budget(0.95, "it was 0.85 on two machines.")
    return Latency(case.model, case.kind, 2, ROUNDS, 50.0, ratios, 0.9, budget, 0.01, paired)


def _explanation(case: Case, chance: random.Random) -> Explanation:
    places = ["image", "patches", *(f"block {n} {part}" for n in range(12) for part in ("attention", "MLP")), "pooling"]
    steps = tuple(
        Step(place, (120 if at < 9 else 40) - at + chance.uniform(0, 3), f"value_{at}")
        for at, place in enumerate(places)
    )
    return Explanation(case, "loss", "the float32 model", "china", 60.0, steps, places[9])


def hostile() -> Report:
    """A report in which every name that a file or a folder can give is hostile."""
    found = sample.measured()
    bad = Comparison(9.0, 9.0, 1.0, 0.1, finite=True)
    verdicts = tuple(
        replace(each, comparisons={HOSTILE: bad, "china": bad}, producer=HOSTILE, reference=HOSTILE, sentence=HOSTILE)
        if each.comparisons
        else each
        for each in found.verdicts
    )
    steps = (Step(HOSTILE, 3.0, HOSTILE), Step("pooling", 100.0, HOSTILE))
    execution = Execution(HOSTILE, HOSTILE, {HOSTILE: 9}, {HOSTILE: 0.6}, 1_500_000)
    found = replace(
        found,
        verdicts=verdicts,
        again=HOSTILE,
        notes=(HOSTILE,),
        weights_notes=(HOSTILE,),
        profile=HOSTILE,
        execution=execution,
        unexplained=HOSTILE,
        explanation=Explanation(found.case, "loss", HOSTILE, HOSTILE, 60.0, steps, HOSTILE),
    )
    made = sample.report(found, sample.erring(error=HOSTILE), command=HOSTILE, weights=HOSTILE)
    picture = next(iter(full_matrix().pictures.values()))
    return legible(replace(made, tools={HOSTILE: HOSTILE}, pictures={HOSTILE: picture}))
