"""Threads that work side by side, and end with the command that began them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread

from pe_validate.system.process import end_children


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
