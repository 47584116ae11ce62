"""A fork server: child processes start with their libraries already imported.

A nursery is a process that only imports modules. Forking a child from it takes milliseconds, where a new interpreter
takes seconds to import torch, and each child starts in the same clean state. A nursery of several modules is forked
from that of the first one, so torch is imported once for all. Linux only: elsewhere libraries do not survive a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
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
"""Prefixes of environment variables that libraries read once, when imported.

A child that needs other values of these is forked from another nursery.
"""

POLL: Final = 0.005
"""Seconds between two checks on a child that is about to end."""


class Forked:
    """A child of a nursery, with the interface of :class:`subprocess.Popen`."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery, self.pid = nursery, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal, or None while it lives."""
        if self.returncode is None:
            self.returncode = self._nursery.status(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the child ends, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it is still alive after ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"child {self.pid}", timeout or 0)
            time.sleep(POLL)
        return code

    def kill(self) -> None:
        """Kill the child with SIGKILL."""
        if self.poll() is None:  # children are reaped only by poll(), so the pid cannot have been reused
            os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """One process that has imported ``modules``, and from which children are forked. Get one with :func:`nursery`.

    It is forked from ``parent``, which has imported the first of them, or a new interpreter.
    """

    def __init__(self, modules: Sequence[str], parent: Nursery | None = None) -> None:
        self._pipe, theirs = Pipe()
        self._lock, self._lost = threading.Lock(), False
        self._process = None if parent else _interpreter(theirs, modules)
        if parent:
            parent._bear(theirs, modules[1:])
        theirs.close()
        with contextlib.suppress(OSError):  # it is dead already, which fork() notices
            self._pipe.send(sys.path)

    def _bear(self, theirs: Connection, further: Sequence[str]) -> None:
        """Ask for a nursery that imports ``further`` modules and serves ``theirs``; do not wait for it."""
        with contextlib.suppress(OSError), self._lock:
            self._pipe.send(("nursery", further))
            send_handle(self._pipe, theirs.fileno(), 0)  # only Windows asks whose it will be

    def fork(self, theirs: Connection, log: str, memory: int) -> Forked | None:
        """Return a child that serves ``theirs``, or None if none can be forked.

        None means that importing the modules started threads, which do not survive a fork, or that the nursery died.
        """
        try:
            with self._lock:
                self._pipe.send(("fork", log, memory, os.getcwd(), dict(os.environ)))
                if not self._pipe.recv():
                    return None
                send_handle(self._pipe, theirs.fileno(), 0)
                return Forked(self, self._pipe.recv())
        except (EOFError, OSError):  # the nursery has died, perhaps out of memory
            self._lost = True
            return None

    def status(self, pid: int) -> int | None:
        """Return the exit code of a child, or None while it lives."""
        try:
            with self._lock:
                self._pipe.send(("status", pid))
                code: int | None = self._pipe.recv()
        except (EOFError, OSError):
            self._lost = True
            return -signal.SIGKILL  # children die with their nursery
        return code

    @property
    def alive(self) -> bool:
        """True while the nursery can fork another child."""
        if self._lost or not self._lock.acquire(blocking=False):
            return not self._lost  # it is answering
        try:
            return not self._pipe.poll()  # nobody waits for an answer, so there is nothing to read but its end
        except OSError:
            return False
        finally:
            self._lock.release()

    def end(self) -> None:
        """Kill the nursery, which has nothing to clean up; those that were forked from it end with it."""
        self._lost = True
        if self._process:
            self._process.kill()
            self._process.wait()


def _interpreter(theirs: Connection, modules: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a nursery that serves ``theirs`` in a new interpreter."""
    command = [sys.executable, "-c", _NURSERY, str(theirs.fileno()), *modules]
    quiet = subprocess.DEVNULL
    # OpenBLAS starts threads when numpy is imported; threads do not survive a fork.
    single_threaded = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, pass_fds=[theirs.fileno()], stdin=quiet, stdout=quiet, stderr=quiet, env=single_threaded
    )


_nurseries: dict[tuple[int, tuple[str, ...], frozenset[tuple[str, str]]], Nursery] = {}
_guard = threading.RLock()


def nursery(modules: Sequence[str]) -> Nursery:
    """Return this process's nursery for ``modules`` and the current environment, started when first needed."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(READ_AT_IMPORT)}
    key = os.getpid(), tuple(modules), frozenset(variables.items())
    with _guard:
        if key not in _nurseries or not _nurseries[key].alive:
            _nurseries[key] = Nursery(modules, nursery(modules[:1]) if len(modules) > 1 else None)
        return _nurseries[key]


def prepare(modules: Sequence[str]) -> None:
    """Start to import the modules that children will need, without waiting."""
    if modules and AVAILABLE:
        nursery(modules)


@atexit.register
def end_nurseries() -> None:
    """End every nursery of this process and wait for it; Python would warn about processes that still run."""
    for (process, *_), each in list(_nurseries.items()):
        if process == os.getpid():
            each.end()


_NURSERY: Final = "import sys; from pe_validate.system.nursery import nurse; nurse(int(sys.argv[1]), sys.argv[2:])"

Serve = Callable[[int, str, str], None]


def nurse(descriptor: int, modules: Sequence[str]) -> None:
    """Import ``modules``, then fork children on request until the other end of the pipe is closed."""
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
                case ("nursery", further):
                    theirs = recv_handle(pipe)
                    if ready and not os.fork():
                        _end_with_parent()
                        pipe.close()
                        pipe, ended = Connection(theirs), {}
                        sys.path[:] = pipe.recv()
                        ready = _import(further)
                    else:
                        os.close(theirs)
                case ("status", pid):
                    ended |= dict(_reap())
                    pipe.send(ended.get(pid))
        except (EOFError, OSError):
            return


def _import(modules: Sequence[str]) -> bool:
    """Import the modules that exist; return whether the process still has a single thread."""
    for module in modules:
        with contextlib.suppress(ImportError):  # the child that needs the module will report it
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
    with contextlib.suppress(OSError):  # the folder may have been removed since
        os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    serve(theirs, log, str(memory))
    os._exit(0)


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (``PR_SET_PDEATHSIG`` of Linux's prctl)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)


def _reap() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)
