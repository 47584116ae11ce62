"""What the tests of ``process.py`` ask a child process to do.

Imports nothing heavy: every child imports it.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

from pe_validate.system.errors import RunError, UsageError


def echo(*args: object, **kwargs: object) -> tuple[tuple[object, ...], dict[str, object]]:
    return args, kwargs


def process_id() -> int:
    return os.getpid()


def refuse(sentence: str) -> None:
    raise RunError(sentence)


def misuse(sentence: str) -> None:
    raise UsageError(sentence)


def divide_by_zero() -> float:
    return 1 / 0


def raise_without_message() -> None:
    raise ValueError


def look_up_in_vain() -> int:
    nothing: dict[int, int] = {}
    return nothing[3]


def iterate_in_vain() -> int:
    return next(iter(()))


def raise_in_many_lines() -> None:
    raise RuntimeError("the first line\nthe second line")


def exit_politely(code: int) -> None:
    sys.exit(code)


def read_null() -> None:
    ctypes.string_at(0)


def abort() -> None:
    os.abort()


def exit_at_once(code: int) -> None:
    os._exit(code)


def loop_forever() -> None:
    while True:
        pass


def allocate(count: int) -> int:
    """Bytes that are really there: each page is written to."""
    return len(b"x" * count)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def give_unpicklable() -> object:
    return lambda: None


def print_and_write() -> None:
    print("printed on stdout")
    print("printed on stderr", file=sys.stderr)
    os.write(1, b"written to descriptor 1\n")
    os.write(2, b"written to descriptor 2\n")


def print_and_crash() -> None:
    print("the last words")
    read_null()


def print_and_hang() -> None:
    print("the last words")
    loop_forever()


def parent_id() -> int:
    return os.getppid()


def modules() -> set[str]:
    return set(sys.modules)


def surroundings(variable: str) -> tuple[str, str | None]:
    return os.getcwd(), os.environ.get(variable)


_calls = 0


def count() -> int:
    """How often it has been called in this process."""
    global _calls
    _calls += 1
    return _calls


def import_numpy() -> str:
    import numpy

    return numpy.__version__


def nursery_of_a_fork(preload: tuple[str, ...]) -> tuple[int, int]:
    """The nurseries of this process, and of a fork of it."""
    from pe_validate.system.process import Child

    with Child(preload=preload) as child:
        own = child.call(parent_id, 60)
    reader, writer = os.pipe()
    fork = os.fork()
    if not fork:
        with Child(preload=preload) as child:
            os.write(writer, str(child.call(parent_id, 60)).encode())
        os._exit(0)
    os.waitpid(fork, 0)
    return own, int(os.read(reader, 100))
