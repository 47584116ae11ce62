"""Children that are forked from a process which has imported their libraries: fast, and otherwise like new ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import errands
import pytest
from processes import PATIENCE, is_alive, wait_until

from pe_validate.system import nursery as nurseries
from pe_validate.system.nursery import AVAILABLE, Forked
from pe_validate.system.process import Child, ChildError

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="libraries survive a fork on Linux only")

PRELOAD = ("errands", "decimal")


@pytest.fixture
def child() -> Iterator[Child]:
    with Child(preload=PRELOAD) as started:
        yield started


@pytest.fixture
def fresh() -> Iterator[None]:
    """Whatever nurseries a test asks for, other tests have others."""
    others = dict(nurseries._nurseries)
    nurseries._nurseries.clear()
    yield
    for each in nurseries._nurseries.values():
        each.end()
    nurseries._nurseries.clear()
    nurseries._nurseries.update(others)


@pytest.fixture
def module(fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a module that nobody has imported."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def is_forked(child: Child) -> bool:
    return isinstance(child._process, Forked)


def test_a_child_has_imported_its_modules_when_it_is_born(child: Child) -> None:
    assert is_forked(child)
    assert set(PRELOAD) <= child.call(errands.modules, PATIENCE)


def test_a_child_without_modules_is_a_new_interpreter() -> None:
    with Child() as child:
        assert not is_forked(child)
        assert child.call(errands.parent_id, PATIENCE) == os.getpid()


def test_children_know_nothing_of_one_another(child: Child) -> None:
    assert child.call(errands.count, PATIENCE) == 1
    assert child.call(errands.count, PATIENCE) == 2
    with Child(preload=PRELOAD) as other:
        assert other.call(errands.parent_id, PATIENCE) == child.call(errands.parent_id, PATIENCE)
        assert other.call(errands.count, PATIENCE) == 1
    assert child.call(errands.count, PATIENCE) == 3


def test_no_nursery_outlives_a_process_that_ends() -> None:
    program = f"""
    import errands
    from pe_validate.system.process import Child
    with Child(preload=("errands",)) as child:
        print(child.call(errands.parent_id, {PATIENCE}))
    """
    search = os.pathsep.join(sys.path)
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": search})
    assert done.stderr == ""
    assert not is_alive(int(done.stdout))


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_child_and_its_nursery_die_with_the_process_that_wanted_them(busy: bool) -> None:
    program = f"""
    import errands
    from pe_validate.system.process import Child
    with Child(preload=("errands",)) as child:
        print(child.call(errands.process_id, {PATIENCE}), child.call(errands.parent_id, {PATIENCE}), flush=True)
        if {busy}:
            child.call(errands.loop_forever, 600)
        errands.sleep(600)
    """
    search = os.pathsep.join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": search},
    ) as parent:
        assert parent.stdout is not None
        child, its_nursery = map(int, parent.stdout.readline().split())
        assert its_nursery != parent.pid
        assert is_alive(child)
        assert is_alive(its_nursery)
        parent.send_signal(signal.SIGKILL)
        parent.wait(PATIENCE)
    assert wait_until(lambda: not is_alive(its_nursery))
    assert wait_until(lambda: not is_alive(child))


def test_a_child_may_not_allocate_more_than_it_was_given_and_others_may() -> None:
    with Child(memory=2**28, preload=PRELOAD) as child, Child(preload=PRELOAD) as free:
        assert is_forked(child)
        assert child.call(errands.allocate, PATIENCE, 2**26) == 2**26
        with pytest.raises(ChildError, match=r"^MemoryError: it takes more memory than it is allowed to$"):
            child.call(errands.allocate, PATIENCE, 2**29)
        assert child.call(errands.echo, PATIENCE, 7) == ((7,), {})
        assert free.call(errands.allocate, PATIENCE, 2**29) == 2**29


@pytest.mark.parametrize(("ending", "cause"), [(errands.read_null, "ended by SIGSEGV"), (errands.abort, "by SIGABRT")])
def test_a_crash_is_named_by_its_signal_and_its_nursery_goes_on(child: Child, ending: object, cause: str) -> None:
    born_by = child.call(errands.parent_id, PATIENCE)
    with pytest.raises(ChildError, match=cause):
        child.call(ending, PATIENCE)  # type: ignore[arg-type]
    assert not child.alive
    with Child(preload=PRELOAD) as other:
        assert other.call(errands.parent_id, PATIENCE) == born_by


def test_a_child_that_somebody_killed_is_named_by_the_signal(child: Child) -> None:
    os.kill(child.call(errands.process_id, PATIENCE), signal.SIGTERM)
    with pytest.raises(ChildError, match="SIGTERM"):
        child.call(errands.sleep, PATIENCE, 60)


def test_modules_that_start_threads_leave_a_child_that_is_a_new_interpreter(module: Path) -> None:
    (module / "with_threads.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    with Child(preload=("with_threads",)) as child:
        assert not is_forked(child)
        assert child.call(errands.parent_id, PATIENCE) == os.getpid()
        assert child.call(errands.echo, PATIENCE, 7) == ((7,), {})


def test_modules_that_are_not_there_are_left_to_whoever_needs_them(module: Path) -> None:
    with Child(preload=("nothing_of_this_name", "decimal")) as child:
        assert is_forked(child)
        assert "decimal" in child.call(errands.modules, PATIENCE)


@pytest.mark.parametrize("body", ["raise RuntimeError('it does not work here')", "raise SystemExit(3)", "1 / 0"])
def test_a_module_that_cannot_be_imported_leaves_a_child_that_is_a_new_interpreter(module: Path, body: str) -> None:
    (module / "broken_module.py").write_text(body)
    with Child(preload=("broken_module", "decimal")) as child:
        assert not is_forked(child)
        assert child.call(errands.echo, PATIENCE, 7) == ((7,), {})
    with Child(preload=PRELOAD) as child:
        assert is_forked(child)


@pytest.mark.usefixtures("fresh")
def test_a_nursery_that_has_died_is_replaced() -> None:
    with Child(preload=PRELOAD) as child:
        first = child.call(errands.parent_id, PATIENCE)
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(first))
    with Child(preload=PRELOAD) as child:
        assert is_forked(child)
        assert child.call(errands.parent_id, PATIENCE) != first


def test_children_see_variables_and_the_folder_of_the_moment(
    child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = child.call(errands.surroundings, PATIENCE, "A_VARIABLE")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("A_VARIABLE", "set")
    with Child(preload=PRELOAD) as later:
        assert later.call(errands.surroundings, PATIENCE, "A_VARIABLE") == (str(tmp_path), "set")
        assert later.call(errands.parent_id, PATIENCE) == child.call(errands.parent_id, PATIENCE)
    monkeypatch.delenv("A_VARIABLE")
    with Child(preload=PRELOAD) as last:
        assert last.call(errands.surroundings, PATIENCE, "A_VARIABLE") == (str(tmp_path), None)
    assert child.call(errands.surroundings, PATIENCE, "A_VARIABLE") == before


def test_a_folder_that_is_gone_is_none_to_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    with Child(preload=PRELOAD) as child:
        assert child.call(errands.echo, PATIENCE, 7) == ((7,), {})


def test_other_modules_ask_for_another_nursery(child: Child) -> None:
    with Child(preload=("errands", "fractions")) as other:
        assert other.call(errands.parent_id, PATIENCE) != child.call(errands.parent_id, PATIENCE)
        assert "fractions" in other.call(errands.modules, PATIENCE)
    assert "fractions" not in child.call(errands.modules, PATIENCE)


def test_nurseries_that_begin_with_the_same_module_share_its_import(module: Path) -> None:
    (module / "counted.py").write_text(f"open({str(module / 'imports')!r}, 'a').write('.')\n")
    with Child(preload=("counted", "decimal")) as one, Child(preload=("counted", "fractions")) as other:
        assert is_forked(one)
        assert is_forked(other)
        assert "decimal" in one.call(errands.modules, PATIENCE)
        assert "fractions" in other.call(errands.modules, PATIENCE)
    assert (module / "imports").read_text() == "."


def test_numpy_starts_no_threads_in_a_nursery_and_is_left_as_many_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with Child(preload=("numpy",)) as child:
        assert is_forked(child)
        assert child.call(errands.surroundings, PATIENCE, "OPENBLAS_NUM_THREADS")[1] is None


def test_variables_that_libraries_read_once_ask_for_another_nursery(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = child.call(errands.parent_id, PATIENCE)
    with monkeypatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "3")
        with Child(preload=PRELOAD) as other:
            assert other.call(errands.parent_id, PATIENCE) != usual
            assert other.call(errands.surroundings, PATIENCE, "OMP_NUM_THREADS")[1] == "3"
    with Child(preload=PRELOAD) as again:
        assert again.call(errands.parent_id, PATIENCE) == usual


def test_a_fork_of_this_process_has_a_nursery_of_its_own(child: Child) -> None:
    ours = child.call(errands.parent_id, PATIENCE)
    theirs = child.call(errands.nursery_of_a_fork, PATIENCE, PRELOAD)
    again = child.call(errands.nursery_of_a_fork, PATIENCE, PRELOAD)
    assert theirs[0] == again[0]
    assert len({ours, *theirs, *again}) == 4, "of this process, of the child, and of each of its forks"


def test_a_child_is_forked_sooner_than_an_interpreter_starts() -> None:
    took = {}
    for preload in ((), ("numpy",)):
        with Child(preload=("numpy",)):
            pass
        start = time.monotonic()
        with Child(preload=preload) as child:
            child.call(errands.import_numpy, PATIENCE)
            took[preload] = time.monotonic() - start
    assert took[("numpy",)] < took[()]
