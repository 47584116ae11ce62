"""Work side by side, some of it after other work."""

from __future__ import annotations

from threading import Barrier, Event

import pytest
from processes import PATIENCE

from pe_validate.system.threads import in_turns, side_by_side


def test_a_thread_that_is_free_takes_what_may_begin_and_leaves_what_must_wait() -> None:
    begun, other = list[str](), Event()

    def work(item: str) -> str:
        begun.append(item)
        if item == "partner":
            assert other.wait(PATIENCE)
        if item == "other":
            other.set()
        return item.upper()

    after = {"partner": (), "held": ("partner",), "other": ()}
    with side_by_side(2) as pool:
        found = in_turns(pool, ["partner", "held", "other"], after, work)
    assert begun == ["partner", "other", "held"]
    assert found == {"partner": "PARTNER", "held": "HELD", "other": "OTHER"}


def test_items_that_wait_for_nobody_are_done_at_the_same_time() -> None:
    together = Barrier(2)
    with side_by_side(2) as pool:
        in_turns(pool, [1, 2], {1: (), 2: ()}, lambda _: together.wait(PATIENCE))


def test_one_thread_does_all_in_order() -> None:
    done = list[int]()
    with side_by_side(1) as pool:
        in_turns(pool, [1, 2, 3], {1: (), 2: (1,), 3: (1, 2)}, done.append)
    assert done == [1, 2, 3]


def test_what_fails_is_raised_and_keeps_nobody_waiting() -> None:
    def work(item: int) -> int:
        return 1 // (item - 1)

    with pytest.raises(ZeroDivisionError), side_by_side(2) as pool:
        in_turns(pool, [1, 2], {1: (), 2: (1,)}, work)
