"""Find which costs of a case have changed between two reports: delegation, operators, size, instructions, and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pe_validate.data.difference import Aspect, Finding, Kind
from pe_validate.data.result import Result
from pe_validate.data.structure import Delegation
from pe_validate.gates.cost import COST_MARGIN

SIZE_MARGIN: Final = 0.01
"""Fraction by which a file may grow: names and versions that exporters write into it differ in length."""

MEMORY_MARGIN: Final = 0.1
"""Fraction by which peak memory may grow: allocators and the system's pages add to it from run to run."""

_SHOWN: Final = 4
"""The most operators that are named."""


def cost_findings(base: Result, head: Result) -> Iterator[Finding]:
    """Yield what has changed of the costs that both results have."""
    before, after = (result.artifact.delegation if result.artifact else None for result in (base, head))
    if before and after:
        yield from _delegation(head.name, before, after)
    sizes = [file.size if (file := result.artifact or result.judged) else None for result in (base, head)]
    yield from _growth(head.name, "size", sizes, SIZE_MARGIN, 1e6, "MB")
    yield from _growth(head.name, "memory", [base.peak_memory, head.peak_memory], MEMORY_MARGIN, 1e6, "MB")
    costs = [result.execution.instructions if result.execution else None for result in (base, head)]
    yield from _growth(head.name, "instructions", costs, COST_MARGIN, 1e6, "million")
    yield from _kernels(base, head)
    yield from _latency(base, head)


def _growth(
    case: str, aspect: Aspect, pair: list[int | None], margin: float, unit: float, word: str
) -> Iterator[Finding]:
    before, after = pair
    if before is None or after is None or abs(after - before) <= margin * before:
        return
    kind: Kind = "regression" if after > before else "improvement"
    by = f"{(after - before) / before:+.1%}, " if before else ""
    old, new = (f"{value / unit:,.1f} {word}" for value in (before, after))
    yield Finding(case, aspect, aspect, kind, old, new, f"{by}{margin:.0%} may be noise")


def _delegation(case: str, before: Delegation, after: Delegation) -> Iterator[Finding]:
    if (more := after.delegate_calls - before.delegate_calls) != 0:
        kind: Kind = "regression" if more > 0 else "improvement"
        old, new = (f"{found.delegate_calls} delegate calls" for found in (before, after))
        yield Finding(case, "delegation", "delegation", kind, old, new)
    came, went = (sorted(set(x.left_over) - set(y.left_over)) for x, y in ((after, before), (before, after)))
    if came or went:
        kind = "regression" if came else "improvement"
        yield Finding(case, "operators", "operators", kind, _named(went), _named(came), "outside the delegate")
    if before.products != after.products:
        apart = sorted(before.products.items() ^ after.products.items())
        gone, new = (
            _named([name for name, _ in apart if name in found]) for found in (before.products, after.products)
        )
        yield Finding(case, "operators", "operators", "change", gone, new, "products inside the delegate")


def _kernels(base: Result, head: Result) -> Iterator[Finding]:
    before, after = (result.execution.kernels if result.execution else [] for result in (base, head))
    if before and after and set(before) != set(after):
        gone, new = (_named([name for name in found if name not in {*before} & {*after}]) for found in (before, after))
        yield Finding(head.name, "operators", "operators", "change", gone, new, "kernels that did most of the work")


def _latency(base: Result, head: Result) -> Iterator[Finding]:
    """Yield a ratio to the baseline whose intervals lie apart; a machine that was busy says nothing."""
    before, after = base.latency, head.latency
    if not before or not after or before.disturbed or after.disturbed or before.threads != after.threads:
        return
    for rival in list(before.ratios)[:1]:
        if rival in after.ratios:
            old, new = before.ratios[rival], after.ratios[rival]
            if new.low > old.high or new.high < old.low:
                kind: Kind = "regression" if new.low > old.high else "improvement"
                why = f"time as a multiple of {rival}'s; the intervals lie apart"
                yield Finding(head.name, "latency", "latency", kind, str(old), str(new), why)


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN]) or "–"
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
