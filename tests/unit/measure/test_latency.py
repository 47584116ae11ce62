"""The statistics of latency: intervals, outcomes and budgets. Nothing is timed here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from rich.console import Console
from sample_reports import RIVALS

from pe_validate.case import MATRIX
from pe_validate.data.latency import Budget, Latency, Ratio
from pe_validate.measure.budget import budgets
from pe_validate.measure.latency import PAUSE, WARM_UP, _summary, _take_turns, baseline, bootstrap
from pe_validate.models.registry import model_named
from pe_validate.report.latencies import to_table

Times = NDArray[np.float64]

BASELINE = "/".join(baseline())

times = arrays(np.float64, st.integers(5, 60), elements=st.floats(1e-3, 10))
"""Seconds of five to sixty inferences, from a millisecond to ten seconds."""


def latency(low: float, high: float, budget: float | None) -> Latency:
    allowed = None if budget is None else Budget(budget, "a reason.")
    ratios = dict.fromkeys(RIVALS, Ratio(9, 9, 9)) | {BASELINE: Ratio((low + high) / 2, low, high)}
    return Latency("PE-Core-T16-384", "pte/fp32", 2, 30, 50.0, ratios, 0.5, allowed)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.5, 0.6, "pass"),
        (0.9, 1.0, "pass"),
        (0.9, 1.0001, "inconclusive"),
        (0.9, 1.1, "inconclusive"),
        (1.0, 1.1, "inconclusive"),
        (1.0001, 1.1, "fail"),
        (2.0, 3.0, "fail"),
        (1.0, 1.0, "pass"),
    ],
)
def test_only_an_interval_on_one_side_of_the_budget_decides(low: float, high: float, outcome: str) -> None:
    assert latency(low, high, budget=1.0).outcome == outcome


@pytest.mark.parametrize("high", [0.6, 1.1, 3.0])
def test_on_a_busy_machine_nothing_is_decided(high: float) -> None:
    busy = replace(latency(0.02, high, budget=1.0), others=0.4)
    assert busy.outcome == "inconclusive"
    console = Console(width=80)
    with console.capture() as captured:
        console.print(to_table([busy]))
    assert "machine busy 40%" in captured.get()


def test_without_a_budget_there_is_no_outcome() -> None:
    assert latency(0.5, 0.6, budget=None).outcome is None


@settings(max_examples=50)
@given(times)
def test_the_interval_holds_the_median_and_stays_among_the_values(values: Times) -> None:
    low, high = bootstrap(values)
    assert values.min() <= low <= np.median(values) <= high <= values.max()


@settings(max_examples=50)
@given(times)
def test_the_same_values_give_the_same_interval(values: Times) -> None:
    assert bootstrap(values) == bootstrap(values.copy())


@settings(max_examples=50)
@given(times, st.sampled_from([0.25, 4.0]))
def test_the_interval_has_the_unit_of_the_values(values: Times, factor: float) -> None:
    low, high = bootstrap(values)
    assert bootstrap(values * factor) == pytest.approx((low * factor, high * factor))


def test_values_without_spread_give_an_interval_without_width() -> None:
    assert bootstrap(np.full(30, 0.7)) == (0.7, 0.7)


def test_one_outlier_hardly_moves_the_interval() -> None:
    values = np.linspace(0.9, 1.1, 31)
    disturbed = values.copy()
    disturbed[-1] = 1000.0
    assert bootstrap(disturbed) == pytest.approx(bootstrap(values), abs=0.02)


def test_more_rounds_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    few, many = (bootstrap(rng.lognormal(0, 0.2, n)) for n in (30, 3000))
    assert many[1] - many[0] < (few[1] - few[0]) / 3


def test_nineteen_intervals_in_twenty_hold_the_true_median() -> None:
    rng = np.random.default_rng(0)
    intervals = [bootstrap(rng.lognormal(0, 0.3, 30)) for _ in range(300)]  # of true median 1
    coverage = np.mean([low <= 1 <= high for low, high in intervals])
    assert 0.91 <= coverage <= 0.98


@settings(max_examples=50)
@given(times, st.sampled_from([0.5, 2.0]))
def test_a_ratio_is_paired_so_that_a_slow_round_for_both_cancels(baseline: Times, factor: float) -> None:
    rivals = {BASELINE: baseline, "other": baseline * factor * 4}
    found = _summary(model_named("PE-Core-T16-384"), "pte/fp32", 2, baseline * factor, rivals, best=1e12)
    assert found.ratios == {BASELINE: Ratio(factor, factor, factor), "other": Ratio(0.25, 0.25, 0.25)}
    assert found.utilisation == pytest.approx(4.70e9 / np.median(baseline * factor) / 1e12, rel=0.01)
    assert found.median_ms == pytest.approx(np.median(baseline) * factor * 1e3)
    assert found.rounds == len(baseline)
    assert found.outcome == ("pass" if factor < 1 else "fail")


def test_every_round_calls_every_subject_once_and_warm_up_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pe_validate.measure.latency.PAUSE", PAUSE / 100)
    called: list[str] = []
    ticks: list[int] = []
    subjects = {name: lambda name=name: called.append(name) for name in "abc"}
    taken = _take_turns(subjects, 8, ticks.append)
    rounds = [called[i : i + 3] for i in range(0, len(called), 3)]
    assert len(rounds) == 8 + WARM_UP
    assert all(sorted(turn) == ["a", "b", "c"] for turn in rounds), rounds
    assert len({tuple(turn) for turn in rounds}) > 1, "the order has to change between rounds"
    assert ticks == list(range(1 - WARM_UP, 9)), "rounds that are done; the warm-up counts below one"
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 8, "b": 8, "c": 8}


def test_every_budget_is_for_a_cell_of_the_matrix_and_has_a_reason() -> None:
    assert budgets()
    assert set(budgets()) <= {case.kind for case in MATRIX} - {BASELINE}
    assert all(budget.ratio > 0 and budget.reason for budget in budgets().values())


def test_the_baseline_is_a_cell_of_the_matrix() -> None:
    assert BASELINE in {case.kind for case in MATRIX}


@pytest.mark.parametrize(("budget", "shown"), [(1.0, ["pass, ≤ 1"]), (0.6, ["inconclusive, ≤ 0.6"]), (None, ["–"])])
def test_the_table_shows_interval_budget_and_outcome_in_eighty_columns(budget: float | None, shown: list[str]) -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(to_table([latency(0.5, 0.7, budget)]))
    lines = captured.get().splitlines()
    assert any("PE-Core-T16-384" in line for line in lines)
    row = next(line for line in lines if "pte/fp32" in line)
    assert all(text in row for text in ["50 ms", "0.60 (0.50 – 0.70)", *shown]), row
