"""Threads that work side by side, and end with the command that began them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Thread
from typing import TypeVar

from pe_validate.system.process import end_children

Item = TypeVar("Item", bound=Hashable)
Done = TypeVar("Done")


def sleep_while_waiting() -> None:
    """Have torch's threads sleep while they wait for one another, here and in children; to be called before its import.

    By default OpenMP's threads spin, and take the cores from what runs beside them.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def side_by_side(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of ``jobs`` threads; after Ctrl-C or an error, queued jobs are not started.

    After Ctrl-C children are killed, too: Python waits for the threads before it exits, and they for their children.
    """
    pool = ThreadPoolExecutor(jobs)
    try:
        yield pool
    except (KeyboardInterrupt, SystemExit):
        pool.shutdown(wait=False, cancel_futures=True)
        ending = Thread(target=pool.shutdown)
        ending.start()
        while ending.is_alive():  # a thread may have been about to start a child
            end_children()
            ending.join(0.1)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def in_turns(
    pool: Executor,
    items: Sequence[Item],
    after: Mapping[Item, Collection[Item]],
    work: Callable[[Item], Done],
) -> dict[Item, Done]:
    """Return what ``work`` makes of each item; whenever a thread is free, it takes the first item that may begin.

    An item may begin when those that it comes ``after`` have ended, which have to be among the items.
    """
    waiting, ended, changed = list(items), set[Item](), Condition()

    def ready() -> Item | None:
        return next((item for item in waiting if ended.issuperset(after[item])), None)

    def one() -> tuple[Item, Done]:
        with changed:
            changed.wait_for(lambda: ready() is not None)
            item = ready()
            assert item is not None
            waiting.remove(item)
        try:
            return item, work(item)
        finally:
            with changed:
                ended.add(item)
                changed.notify_all()

    turns = [pool.submit(one) for _ in items]
    return dict(turn.result() for turn in turns)
