"""The limits of an upgrade: each can be passed, and none is by a difference that means nothing."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from pe_validate.case import Case
from pe_validate.data.comparison import Comparison
from pe_validate.data.upgrade import Crossing, Difference, Side
from pe_validate.toolchains.limits import passed, rows

FLOAT, INTEGER = Case("PE-Nano", "pte", "fp32"), Case("PE-Nano", "pte", "int8")
SIDE = Side("pass", {"fidelity": inf, "loss": 40.0}, bytes=1_000_000, calls=1)


def near(snr_db: float) -> Comparison:
    return Comparison(0.0, 0.0, snr_db, 1.0, finite=True)


def crossed(change: Comparison | None = None, refused: str | None = None) -> Difference:
    return Difference(FLOAT, SIDE, SIDE, near(120), (Crossing("old", "new", change, refused),))


SOUND = [
    Difference(FLOAT, SIDE, SIDE, near(inf), (Crossing("old", "new", near(120)), Crossing("new", "old", near(inf)))),
    Difference(INTEGER, SIDE, SIDE, near(31)),
    Difference(FLOAT, SIDE, replace(SIDE, snr_db={"fidelity": 121.0, "loss": 39.0})),
    Difference(FLOAT, SIDE, replace(SIDE, snr_db={"loss": 41.0})),
    Difference(FLOAT, SIDE, replace(SIDE, bytes=900_000, calls=0)),
    Difference(FLOAT, replace(SIDE, failed=("loss",)), replace(SIDE, failed=("loss",))),
    Difference(FLOAT, Side("error", error="It fails."), SIDE),
]


@pytest.mark.parametrize("difference", SOUND)
def test_nothing_is_said_of_what_does_not_matter(difference: Difference) -> None:
    assert passed(difference) == ()
    assert difference.outcome == "pass"


SICK = {
    "a gate that fails": (
        Difference(FLOAT, SIDE, replace(SIDE, failed=("delegation",))),
        "its gate delegation passed with the old toolchain, and fails with the new one.",
    ),
    "a stage that fails": (
        Difference(FLOAT, SIDE, Side("error", error="Exporting it failed.")),
        "it could be judged with the old toolchain, and no more: Exporting it failed.",
    ),
    "noise": (
        Difference(FLOAT, SIDE, replace(SIDE, snr_db={"fidelity": inf, "loss": 36.9})),
        "its gate loss falls from 40.0 to 36.9 dB, and 3 dB may be lost.",
    ),
    "less than float32": (
        Difference(FLOAT, SIDE, replace(SIDE, snr_db={"fidelity": 96.0})),
        "its gate fidelity falls from inf to 96.0 dB",
    ),
    "other answers": (Difference(FLOAT, SIDE, SIDE, near(90)), "the new file's answers are 90.0 dB near, and 100 dB"),
    "other answers in int8": (Difference(INTEGER, SIDE, SIDE, near(10)), "the new file's answers are 10.0 dB near"),
    "another runtime": (crossed(near(60)), "what old made answers with new, compared with its own runtime, 60.0 dB"),
    "NaN": (crossed(Comparison(inf, inf, -inf, -1.0, finite=False)), "-inf dB near"),
    "size": (Difference(FLOAT, SIDE, replace(SIDE, bytes=1_500_000)), "its file grows by 50.0%, and 2% are allowed."),
    "delegate calls": (
        Difference(FLOAT, SIDE, replace(SIDE, calls=27, outside=("layer_norm",) * 26)),
        "it goes from 1 to 27 delegate calls, and from 0 to 26 operators outside of them.",
    ),
    "a refusal": (
        crossed(refused="it is of another version"),
        "the file of old does not run with new: it is of another version. Phones keep files",
    ),
}


@pytest.mark.parametrize(("difference", "sentence"), SICK.values(), ids=SICK)
def test_each_limit_can_be_passed(difference: Difference, sentence: str) -> None:
    (said,) = passed(difference)
    assert said.startswith(f"{difference.case}: ")
    assert sentence in said
    assert replace(difference, passed=(said,)).outcome == "fail"


def test_every_limit_has_a_reason_and_leaves_room_for_what_was_measured() -> None:
    for name, row in rows().items():
        assert row.reason.endswith(".")
        least = name.endswith("_db") and name != "lost_db"
        assert row.measured >= row.limit if least else row.measured <= row.limit, name
