"""A child process: whatever happens in it becomes a value or one exception here, and this process goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import errands
import pytest
from processes import PATIENCE, is_alive, wait_until

from pe_validate.system.errors import PEValidateError, RunError, UsageError
from pe_validate.system.nursery import AVAILABLE
from pe_validate.system.process import Child, ChildError


@pytest.fixture(
    params=[
        pytest.param((), id="new interpreter"),
        pytest.param(
            ("errands", "decimal"),
            id="forked",
            marks=pytest.mark.skipif(not AVAILABLE, reason="libraries survive a fork on Linux only"),
        ),
    ]
)
def preload(request: pytest.FixtureRequest) -> tuple[str, ...]:
    chosen: tuple[str, ...] = request.param
    return chosen


@pytest.fixture
def child(preload: tuple[str, ...]) -> Iterator[Child]:
    """However it was started, it ends in the same ways."""
    with Child(preload=preload) as started:
        yield started


@pytest.fixture(scope="module")
def lasting_child() -> Iterator[Child]:
    """For tests that leave it as it was."""
    with Child() as started:
        yield started


def test_values_travel_there_and_back(lasting_child: Child) -> None:
    args, kwargs = (1, "two", None, Path("three")), {"four": [4.0, float("inf")], "five": {"six": (6,)}}
    assert lasting_child.call(errands.echo, PATIENCE, *args, **kwargs) == (args, kwargs)


def test_a_value_of_many_megabytes_travels_too(lasting_child: Child) -> None:
    flood = os.urandom(20_000_000)
    assert lasting_child.call(errands.echo, PATIENCE, flood) == ((flood,), {})


def test_every_call_is_answered_by_the_same_other_process(lasting_child: Child) -> None:
    first, second = (lasting_child.call(errands.process_id, PATIENCE) for _ in range(2))
    assert first == second != os.getpid()


@pytest.mark.parametrize(("function", "kind"), [(errands.refuse, RunError), (errands.misuse, UsageError)])
def test_an_error_of_a_stage_is_raised_as_itself(
    lasting_child: Child, function: Callable[[str], None], kind: type[PEValidateError]
) -> None:
    with pytest.raises(kind, match=r"^one sentence\.$"):
        lasting_child.call(function, PATIENCE, "one sentence.")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (errands.divide_by_zero, "ZeroDivisionError: division by zero"),
        (errands.raise_in_many_lines, "RuntimeError: the first line"),
    ],
)
def test_any_other_exception_is_named_in_one_line(
    lasting_child: Child, function: Callable[[], object], message: str
) -> None:
    with pytest.raises(ChildError) as failure:
        lasting_child.call(function, PATIENCE)
    assert str(failure.value) == message


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (errands.raise_without_message, "an unexpected ValueError in 'raise_without_message' (errands.py, line "),
        (errands.look_up_in_vain, "an unexpected KeyError of 3 in 'look_up_in_vain' (errands.py, line "),
        (errands.iterate_in_vain, "an unexpected StopIteration in 'iterate_in_vain' (errands.py, line "),
    ],
)
def test_an_exception_without_words_is_given_its_place(
    lasting_child: Child, function: Callable[[], object], message: str
) -> None:
    with pytest.raises(ChildError) as failure:
        lasting_child.call(function, PATIENCE)
    assert str(failure.value).startswith(message)


def test_an_exit_that_can_be_caught_is_an_exception_like_any_other(lasting_child: Child) -> None:
    with pytest.raises(ChildError, match="an unexpected SystemExit of 4"):
        lasting_child.call(errands.exit_politely, PATIENCE, 4)


def test_after_an_exception_the_child_answers_again(lasting_child: Child) -> None:
    with pytest.raises(ChildError):
        lasting_child.call(errands.divide_by_zero, PATIENCE)
    assert lasting_child.call(errands.echo, PATIENCE, 7) == ((7,), {})


@pytest.mark.parametrize(
    ("function", "args", "cause"),
    [
        (errands.read_null, (), "its process was ended by SIGSEGV"),
        (errands.abort, (), "its process was ended by SIGABRT"),
        (errands.exit_at_once, (3,), "its process ended with exit code 3"),
        (errands.exit_at_once, (0,), "its process ended with exit code 0"),
    ],
)
def test_a_crash_is_named_by_its_signal_or_code(
    child: Child, function: Callable[..., None], args: tuple[int, ...], cause: str
) -> None:
    with pytest.raises(ChildError) as failure:
        child.call(function, PATIENCE, *args)
    assert str(failure.value) == cause


def test_a_value_that_cannot_travel_is_an_error_and_no_hang(child: Child) -> None:
    with pytest.raises(ChildError):
        child.call(errands.give_unpicklable, PATIENCE)


def test_a_call_to_a_dead_child_says_what_it_died_of(child: Child) -> None:
    with pytest.raises(ChildError):
        child.call(errands.abort, PATIENCE)
    with pytest.raises(ChildError, match="SIGABRT"):
        child.call(errands.process_id, PATIENCE)


def test_an_endless_loop_ends_at_the_timeout_which_is_named(child: Child) -> None:
    process_id = child.call(errands.process_id, PATIENCE)
    start = time.monotonic()
    with pytest.raises(ChildError, match=r"^it did not finish within 0\.5 s$"):
        child.call(errands.loop_forever, 0.5)
    assert not child.alive
    assert 0.5 <= time.monotonic() - start < 0.5 + PATIENCE
    assert wait_until(lambda: not is_alive(process_id))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a process to a limit")
def test_a_child_may_not_allocate_more_than_it_was_given() -> None:
    with Child(memory=2**28) as child:
        assert child.call(errands.allocate, PATIENCE, 2**26) == 2**26
        with pytest.raises(ChildError, match=r"^MemoryError: it takes more memory than it is allowed to$"):
            child.call(errands.allocate, PATIENCE, 2**29)
        assert child.call(errands.echo, PATIENCE, 7) == ((7,), {})


def test_closing_ends_an_idle_child_at_once() -> None:
    with Child() as child:
        process_id = child.call(errands.process_id, PATIENCE)
        assert is_alive(process_id)
    assert not is_alive(process_id)


def test_one_childs_end_is_not_the_others(lasting_child: Child, child: Child) -> None:
    with pytest.raises(ChildError):
        child.call(errands.read_null, PATIENCE)
    assert lasting_child.call(errands.echo, PATIENCE, 7) == ((7,), {})


def test_everything_printed_goes_to_the_log_and_nowhere_else(
    preload: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "child.log"
    with Child(log, preload=preload) as child:
        child.call(errands.print_and_write, PATIENCE)
    assert sorted(log.read_text().splitlines()) == [
        "printed on stderr",
        "printed on stdout",
        "written to descriptor 1",
        "written to descriptor 2",
    ]
    assert capfd.readouterr() == ("", "")
    assert wait_until(lambda: not child.alive)


def test_without_a_log_nothing_printed_reaches_this_process(capfd: pytest.CaptureFixture[str]) -> None:
    with Child() as child:
        child.call(errands.print_and_write, PATIENCE)
    assert capfd.readouterr() == ("", "")


def test_the_log_has_the_traceback_of_an_exception(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    with Child(log) as child, pytest.raises(ChildError):
        child.call(errands.divide_by_zero, PATIENCE)
    assert "errands.py" in log.read_text()
    assert log.read_text().rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize(("function", "timeout"), [(errands.print_and_crash, PATIENCE), (errands.print_and_hang, 1.0)])
def test_the_log_has_what_was_printed_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Callable[[], None], timeout: float
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # set in many containers, not on people's machines
    log = tmp_path / "child.log"
    with Child(log) as child, pytest.raises(ChildError):
        child.call(function, timeout)
    assert log.read_text() == "the last words\n"


def test_two_children_can_append_to_one_log(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    for _ in range(2):
        with Child(log) as child:
            child.call(errands.print_and_write, PATIENCE)
    assert log.read_text().count("printed on stdout") == 2


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_child_dies_with_its_parent(busy: bool) -> None:
    program = f"""
import errands
from pe_validate.system.process import Child
if __name__ == "__main__":
    with Child() as child:
        print(child.call(errands.process_id, {PATIENCE}), flush=True)
        if {busy}:
            child.call(errands.loop_forever, 600)
        errands.sleep(600)
"""
    search = os.pathsep.join(filter(None, [str(Path(errands.__file__).parent), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": search}
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait(PATIENCE)
    assert wait_until(lambda: not is_alive(child))
