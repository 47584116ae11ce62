"""Ctrl-C is obeyed at once, whatever children are doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import errands
import pytest
from processes import PATIENCE, is_alive, wait_until

from pe_validate.system.process import Child, ChildError, end_children

AT_ONCE = 5.0
"""Seconds; what is interrupted would take many more."""

CASES = ("PE-Core-B16-224/onnx/fp32", "PE-Core-B16-224/mlpackage/fp16")


def children_of(process: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    below = [int(word) for word in listed.stdout.split()]
    return [*below, *(further for each in below for further in children_of(each))]


def test_a_run_that_is_interrupted_ends_with_all_its_children(tmp_path: Path) -> None:
    # What is started from a background job ignores Ctrl-C unless it says otherwise.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from pe_validate.cli.main import main; main()"
    words = [sys.executable, "-c", program, "run", *CASES, "--quiet", "--report", "report", "--cache-dir", "cache"]
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stderr
        assert any("export" in line for line in run.stderr)
        time.sleep(1)
        children = children_of(run.pid)
        assert children
        start = time.monotonic()
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(PATIENCE) == 128 + signal.SIGINT
        assert time.monotonic() - start < AT_ONCE
        assert "Traceback" not in run.stderr.read()
    assert wait_until(lambda: not any(map(is_alive, children)))
    assert not list((tmp_path / "report").iterdir()), "a report of half a run"


def test_a_child_whose_answer_nobody_waits_for_any_more_is_ended_at_once() -> None:
    def give_up(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt), Child() as child:
            child.call(errands.sleep, 600, 600)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - start < AT_ONCE


def test_who_waits_for_a_child_is_told_when_all_are_ended() -> None:
    with Child() as child:
        before = signal.signal(signal.SIGALRM, lambda *_: end_children())
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            with pytest.raises(ChildError, match="SIGKILL"):
                child.call(errands.sleep, 600, 600)
        finally:
            signal.signal(signal.SIGALRM, before)
