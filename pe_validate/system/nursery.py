"""Child processes that have imported their libraries before they are born.

A nursery is a process that imports modules and does nothing else. A child is forked from it in milliseconds, where a
new interpreter takes seconds to import torch, and knows nothing of the children before it. Linux only: elsewhere
libraries do not survive a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import Final

AVAILABLE: Final = sys.platform == "linux"

READ_AT_IMPORT: Final = ("GOMP_", "HF_", "KMP_", "LD_", "MKL_", "OMP_", "OPENBLAS_", "ORT_", "PYTHON", "TORCH")
"""How the names of variables begin that libraries read once: children with other values come from another nursery."""

POLL: Final = 0.005
"""Seconds between two looks at a child that is about to end."""


class Forked:
    """A child of a nursery, as :class:`subprocess.Popen` would show it."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery, self.pid = nursery, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal, or None while it lives."""
        if self.returncode is None:
            self.returncode = self._nursery.status(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it still lives after ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"child {self.pid}", timeout or 0)
            time.sleep(POLL)
        return code

    def kill(self) -> None:
        """End it by force."""
        if self.poll() is None:  # it is not reaped before it is asked for, so that its number is still its own
            os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """One process that has imported ``modules`` and that children are forked from. Use :func:`nursery`."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._pipe, theirs = Pipe()
        command = [sys.executable, "-c", _NURSERY, str(theirs.fileno()), *modules]
        quiet = subprocess.DEVNULL
        # OpenBLAS starts its threads when numpy is imported.
        alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=quiet, stdout=quiet, stderr=quiet, env=alone
        )
        theirs.close()
        self._pipe.send(sys.path)
        self._lock = threading.Lock()

    def fork(self, theirs: Connection, log: str, memory: int) -> Forked | None:
        """Return a child that serves ``theirs``; None if there can be none.

        There is none where importing the modules has started threads, which do not survive a fork.
        """
        try:
            with self._lock:
                self._pipe.send(("fork", log, memory, os.getcwd(), dict(os.environ)))
                if not self._pipe.recv():
                    return None
                send_handle(self._pipe, theirs.fileno(), self._process.pid)
                return Forked(self, self._pipe.recv())
        except (EOFError, OSError):  # it has died: out of memory, perhaps
            return None

    def status(self, pid: int) -> int | None:
        """Return the exit code of a child, or None while it lives."""
        try:
            with self._lock:
                self._pipe.send(("status", pid))
                code: int | None = self._pipe.recv()
        except (EOFError, OSError):
            return -signal.SIGKILL  # children end with their nursery
        return code

    @property
    def alive(self) -> bool:
        """Whether it can be asked for another child."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it by force: it has nothing to lose, and its children follow it."""
        self._process.kill()
        self._process.wait()


_nurseries: dict[tuple[int, tuple[str, ...], frozenset[tuple[str, str]]], Nursery] = {}
_guard = threading.Lock()


def nursery(modules: Sequence[str]) -> Nursery:
    """Return this process's nursery for ``modules``, in its environment as it is now."""
    telling = {name: value for name, value in os.environ.items() if name.startswith(READ_AT_IMPORT)}
    key = os.getpid(), tuple(modules), frozenset(telling.items())
    with _guard:
        if key not in _nurseries or not _nurseries[key].alive:
            _nurseries[key] = Nursery(modules)
        return _nurseries[key]


@atexit.register
def _end_all() -> None:
    """Leave no process behind that has not been waited for; Python would warn of it."""
    for (process, *_), each in _nurseries.items():
        if process == os.getpid():
            each.end()


_NURSERY: Final = "import sys; from pe_validate.system.nursery import nurse; nurse(int(sys.argv[1]), sys.argv[2:])"

Serve = Callable[[int, str, str], None]


def nurse(descriptor: int, modules: Sequence[str]) -> None:
    """Import ``modules`` and fork children, until the other end of the pipe is closed."""
    from pe_validate.system.process import serve

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe: Connection = Connection(descriptor)
    sys.path[:] = pipe.recv()
    ready = _import(modules)
    ended: dict[int, int] = {}
    while True:
        try:
            match pipe.recv():
                case ("fork", log, memory, folder, environment):
                    pipe.send(ready)
                    if ready:
                        pipe.send(_fork(pipe, serve, log, memory, folder, environment))
                case ("status", pid):
                    ended |= dict(_reaped())
                    pipe.send(ended.get(pid))
        except (EOFError, OSError):
            return


def _import(modules: Sequence[str]) -> bool:
    """Import modules that are there; return whether no threads have come of it."""
    for module in modules:
        with contextlib.suppress(ImportError):  # the child that needs it will say so
            import_module(module)
    return len(list(Path("/proc/self/task").iterdir())) == 1


def _fork(pipe: Connection, serve: Serve, log: str, memory: int, folder: str, environment: dict[str, str]) -> int:
    theirs = recv_handle(pipe)
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid
    pipe.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.suppress(OSError):  # a folder that is gone is none to the child, either
        os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    serve(theirs, log, str(memory))
    os._exit(0)


def _reaped() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)
