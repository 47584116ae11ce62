"""Processes on this machine that answer shards; those of a cluster are in :mod:`pe_validate.machines.cluster`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

from pe_validate.data.features import Features
from pe_validate.inputs.datasets import Shard
from pe_validate.machines.answering import Answerer, answer, begin
from pe_validate.machines.isolation import RUN_TIMEOUT
from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.system.threads import side_by_side
from pe_validate.targets.registry import target_named

SHARD_TIMEOUT: Final = 6 * 3600.0
"""In seconds; an archive may hold ten thousand images."""


class Workers(ABC):
    """Base class of what answers shards, several at once; ``threads`` is the number that each runtime uses."""

    threads: int

    @abstractmethod
    def answers(self, answerer: Answerer, shards: Sequence[Shard]) -> Iterator[tuple[int, Features]]:
        """Yield the number and the features of each shard, in the order in which they are done.

        Raises:
            LoadError: a shard or the weights cannot be read.
            RunError: the artifact cannot be loaded or executed.
        """


@dataclass(frozen=True, slots=True)
class Processes(Workers):
    """``jobs`` processes on this machine, each of which loads the runtime once."""

    jobs: int
    threads: int

    def answers(self, answerer: Answerer, shards: Sequence[Shard]) -> Iterator[tuple[int, Features]]:
        """See :meth:`Workers.answers`."""
        idle: SimpleQueue[_Worker] = SimpleQueue()

        def one(shard: Shard) -> Features:
            worker = idle.get()
            try:
                return worker.answer(shard)
            finally:
                idle.put(worker)

        jobs = min(self.jobs, len(shards))
        with ExitStack() as stack, side_by_side(jobs) as threads:
            for _ in range(jobs):
                idle.put(stack.enter_context(_Worker(answerer)))
            numbers = {threads.submit(one, shard): number for number, shard in enumerate(shards)}
            for done in as_completed(numbers):
                yield numbers.pop(done), done.result()


class _Worker:
    """A child that has opened an answerer, or will with its first shard."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer, self._begun = answerer, False
        path = answerer.path
        preload = ("torch",) if path is None else target_named(answerer.case.target).preload
        self._child = Child(memory=memory_for(path) if path else None, preload=preload)

    def answer(self, shard: Shard) -> Features:
        try:
            if not self._begun:
                self._child.call(begin, RUN_TIMEOUT, self._answerer)
                self._begun = True
            return self._child.call(answer, SHARD_TIMEOUT, shard)
        except ChildError as error:
            name = f"'{self._answerer.path}'" if self._answerer.path else str(self._answerer.case)
            raise RunError(f"{name} failed: {error}.") from error

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close()
