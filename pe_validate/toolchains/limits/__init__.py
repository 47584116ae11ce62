"""Judge what changes from one toolchain to another by the rows of ``upgrade.toml``, each of which has its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pe_validate.data.comparison import Comparison
from pe_validate.data.upgrade import Difference
from pe_validate.targets.registry import recipe

TABLE: Final = Path(__file__).with_name("upgrade.toml")

CEILING_DB: Final = 100.0
"""SNRs above it count as this much, see the reason of ``lost_db``."""


@dataclass(frozen=True, slots=True)
class Row:
    """A limit, the worst that was measured, and why the limit is where it is."""

    limit: float
    measured: float
    reason: str


@cache
def rows() -> dict[str, Row]:
    """Return the rows by name."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name: Row(**row) for name, row in table.items()}


def passed(found: Difference) -> tuple[str, ...]:
    """Return a sentence for each limit that a difference passes."""
    broken = (_lost, _answers, _grown, _delegation, _refused)
    return tuple(f"{found.case}: {sentence}" for judge in broken for sentence in judge(found))


def _lost(found: Difference) -> Iterator[str]:
    """Judge what gates say: none may fail that did not, or lose much."""
    old, new, row = found.old, found.new, rows()["lost_db"]
    if new.error and old.error is None:
        yield f"it could be judged with the old toolchain, and no more: {new.error}"
    for gate in new.failed:
        if gate not in old.failed and old.error is None and new.error is None:
            yield f"its gate {gate} passed with the old toolchain, and fails with the new one."
    for gate, before in old.snr_db.items():
        lost = min(before, CEILING_DB) - min(new.snr_db.get(gate, before), CEILING_DB)
        if lost > row.limit:
            yield (
                f"its gate {gate} falls from {before:.1f} to {new.snr_db[gate]:.1f} dB, and {row.limit:g} dB may be "
                f"lost. {row.reason}"
            )


def _answers(found: Difference) -> Iterator[str]:
    """Judge how far answers are apart: of the two files, and of one file in the two runtimes."""
    yield from _apart(found, "the new file's answers are", found.between)
    for crossing in found.crossings:
        what = f"what {crossing.maker} made answers with {crossing.runner}"
        yield from _apart(found, f"{what}, compared with its own runtime,", crossing.change)


def _apart(found: Difference, what: str, change: Comparison | None) -> Iterator[str]:
    row = rows()["rounded_db" if recipe(found.case).scheme.rounds else "equal_db"]
    if change is not None and change.snr_db < row.limit:
        yield f"{what} {change.snr_db:.1f} dB near, and {row.limit:g} dB are wanted. {row.reason}"


def _grown(found: Difference) -> Iterator[str]:
    row, (before, after) = rows()["growth"], (found.old.bytes, found.new.bytes)
    if before and after and after > before * row.limit:
        yield f"its file grows by {after / before - 1:.1%}, and {row.limit - 1:.0%} are allowed. {row.reason}"


def _delegation(found: Difference) -> Iterator[str]:
    row, old, new = rows()["calls"], found.old, found.new
    if old.calls is None or new.calls is None:
        return
    more = max(new.calls - old.calls, 0) + max(len(new.outside) - len(old.outside), 0)
    if more > row.limit:
        yield (
            f"it goes from {old.calls} to {new.calls} delegate calls, and from {len(old.outside)} to "
            f"{len(new.outside)} operators outside of them. {row.reason}"
        )


def _refused(found: Difference) -> Iterator[str]:
    row, refused = rows()["refused"], [crossing for crossing in found.crossings if crossing.refused]
    if len(refused) > row.limit:
        for crossing in refused:
            yield f"the file of {crossing.maker} does not run with {crossing.runner}: {crossing.refused}. {row.reason}"
