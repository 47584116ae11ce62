"""Run functions in a child process, so that a crash, a hang or a flood of logs becomes one exception here."""

from __future__ import annotations

import atexit
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, ParamSpec, Self, TypeVar
from weakref import WeakSet

from pe_validate.system.errors import PEValidateError
from pe_validate.system.nursery import AVAILABLE, Forked, end_nurseries, nursery

P = ParamSpec("P")
T = TypeVar("T")

GRACE = 5.0
"""Seconds that an idle child has to exit by itself, so that its libraries can clean up."""

_children: Final[WeakSet[Child]] = WeakSet()
_lock: Final = threading.Lock()


def end_children() -> None:
    """Kill every child of this process, whatever it is doing; who waits for an answer gets a :class:`ChildError`."""
    end_nurseries()
    with _lock:
        living = list(_children)
    for child in living:
        child.kill()


class ChildError(Exception):
    """The child raised, died or ran out of time; the message is a fragment of a sentence that says which."""


class Child:
    """A fresh interpreter that answers calls until it is closed.

    ``log`` receives everything that the child and its native libraries print. Functions and values are pickled, so a
    function must be importable by name. Unlike ``multiprocessing``, it does not import the caller's script again, which
    therefore needs no ``if __name__ == "__main__"``.

    ``memory`` is the number of bytes that it may allocate; only Linux enforces it.

    ``preload`` names modules that are imported before the child starts, once for all children; see
    :mod:`~pe_validate.system.nursery`.

    ``interpreter`` is another Python to run, with exactly the variables in ``environment``; it must be able to import
    this module.
    """

    def __init__(
        self,
        log: Path | None = None,
        memory: int | None = None,
        *,
        preload: Sequence[str] = (),
        interpreter: Sequence[str] = (sys.executable,),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._pipe, theirs = Pipe()
        where, limit = str(log or os.devnull), memory or 0
        born = nursery(preload).fork(theirs, where, limit) if preload and AVAILABLE else None
        self._process: Forked | subprocess.Popen[bytes]
        if born is not None:
            self._process = born
        else:
            command = [*interpreter, "-c", _CHILD, str(theirs.fileno()), where, str(limit)]
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment
            )
        theirs.close()
        self._busy = False
        self._pipe.send(sys.path if environment is None else None)
        with _lock:
            _children.add(self)

    def call(self, function: Callable[P, T], timeout: float, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``function(*args, **kwargs)``, called in the child; wait at most ``timeout`` seconds for it.

        Raises:
            PEValidateError: ``function`` raised it.
            ChildError: it raised anything else, the child crashed (the message names the signal), or time ran out.
        """
        self._busy = True
        try:
            self._pipe.send((function, args, kwargs))
            if not self._pipe.poll(timeout):
                self._process.kill()
                self._process.wait()
                raise ChildError(f"it did not finish within {timeout:g} s")
            succeeded, value = self._pipe.recv()
            self._busy = False
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise ChildError(self._cause_of_death()) from error
        if succeeded:
            result: T = value
            return result
        raise value

    @property
    def alive(self) -> bool:
        """True while the child can be called."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the child at once."""
        self._process.kill()

    def close(self) -> None:
        """End the child: politely if it is idle, by force if nobody waits for its answer any more."""
        self._pipe.close()
        if self._busy:
            self._process.kill()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cause_of_death(self) -> str:
        code = self._process.wait()  # its end of the pipe is closed, so it has ended or is about to
        if code < 0:
            named = {number.value: number.name for number in signal.Signals}
            return f"its process was ended by {named.get(-code, f'signal {-code}')}"
        return f"its process ended with exit code {code}"


_CHILD: Final = "import sys; from pe_validate.system.process import serve; serve(int(sys.argv[1]), *sys.argv[2:])"


def serve(descriptor: int, log: str, memory: str) -> None:
    """Answer calls from the inherited pipe until its other end is closed; this is the child's main loop."""
    if int(memory):
        resource.setrlimit(resource.RLIMIT_DATA, (int(memory), int(memory)))
    threading.Thread(target=_exit_with_parent, args=(os.getppid(),), daemon=True).start()
    pipe: Connection = Connection(descriptor)
    sys.path[:] = pipe.recv() or sys.path
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(target, stream)
    for text in (sys.stdout, sys.stderr):
        if isinstance(text, TextIOWrapper):
            text.reconfigure(line_buffering=True)  # what is printed just before a crash must reach the log
    while True:
        try:
            function, args, kwargs = pipe.recv()
        except EOFError:
            _exit_quickly()
        pipe.send(_attempt(function, args, kwargs))


def _exit_quickly() -> NoReturn:
    """Exit without tearing down every imported module, which would take a second."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)  # the output of native libraries
    os._exit(0)


def _attempt(
    function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> tuple[bool, object]:
    try:
        return True, function(*args, **kwargs)
    except PEValidateError as error:
        return False, error
    except BaseException as error:  # noqa: BLE001 - it is re-raised, in the parent
        with suppress(OSError):  # if the disk with the log is full, it is ``error`` that has to be reported
            traceback.print_exc(file=sys.stderr)
            sys.stderr.flush()
        return False, ChildError(_in_words(error))


def _in_words(error: BaseException) -> str:
    """Return what a library raised, with the place where it did if its message has no words, as that of a KeyError."""
    if isinstance(error, MemoryError):
        return "MemoryError: it takes more memory than it is allowed to"
    said = (str(error).strip().splitlines() or [""])[0]
    if len(said.split()) > 1:
        return f"{type(error).__name__}: {said}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in '{frames[-1].name}' ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"an unexpected {type(error).__name__}{f' of {said}' if said else ''}{where}"


@contextmanager
def memory_limited(extra: int) -> Iterator[None]:
    """Let this process allocate at most ``extra`` more bytes; only Linux enforces it."""
    limits = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        most = pages * resource.getpagesize() + extra
        resource.setrlimit(resource.RLIMIT_DATA, (most if soft == resource.RLIM_INFINITY else min(soft, most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)


def _exit_with_parent(parent: int) -> None:
    """End this process when its parent ends: an orphan is given another parent."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
