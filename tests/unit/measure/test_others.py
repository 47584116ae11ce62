"""Work of other processes is seen, this process's own is not taken for it."""

from __future__ import annotations

import sys
from subprocess import Popen
from time import process_time, sleep

import pytest

from pe_validate.measure.others import OthersClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what all processes used")


def share_of_a_second(own: bool) -> float:
    clock, start = OthersClock(), process_time()
    while own and process_time() - start < 1:
        pass
    if not own:
        sleep(1)
    return clock.share()


def test_the_work_of_another_process_is_seen_and_ones_own_is_not() -> None:
    alone = share_of_a_second(own=True)
    with Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            sleep(0.5)  # it has to start
            beside = share_of_a_second(own=False)
        finally:
            busy.kill()
    assert 0 <= alone <= 1.05
    assert beside > 0.02  # a CPU of its own where there are at most fifty


def test_where_nothing_is_known_of_others_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pe_validate.measure.others.STAT", "/nowhere")
    monkeypatch.setattr("pe_validate.measure.others._machine", lambda: None)
    assert OthersClock().share() == 0
