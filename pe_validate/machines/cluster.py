"""A Ray cluster whose actors answer shards; what a lost node had is done again by the others."""

from __future__ import annotations

import io
import os
import socket
import tarfile
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pe_validate.data.features import Features
from pe_validate.inputs.datasets import Shard
from pe_validate.machines.answering import Answerer, Asked
from pe_validate.machines.workers import Workers
from pe_validate.system.errors import PEValidateError, RunError, UsageError, first_line

PATIENCE: Final = 10.0
"""In seconds; the time in which an address must answer."""


@dataclass(frozen=True, slots=True)
class Cluster(Workers):
    """Actors on every node of the Ray cluster at ``address``, each with ``threads`` CPUs to itself.

    The dataset is read by the nodes under the same path; artifacts are sent to them. ``jobs`` limits the actors.
    """

    address: str
    jobs: int | None = None
    threads: int = 1

    def answers(self, answerer: Answerer, shards: Sequence[Shard]) -> Iterator[tuple[int, Features]]:
        """See :meth:`Workers.answers`."""
        ray = _ray()
        try:
            _check_reachable(self.address)
            ray.init(self.address, ignore_reinit_error=True, log_to_driver=False, logging_level="ERROR")
        except (OSError, ValueError, RuntimeError) as error:
            raise RunError(f"There is no Ray cluster at '{self.address}' ({first_line(error)}).") from error
        content = ray.put(_packed(answerer.path) if answerer.path else b"")
        waiting, busy = deque(range(len(shards))), dict[Any, tuple[int, Any]]()
        actors = deque(self._actors(ray, answerer, content, len(shards)))
        while waiting or busy:
            while waiting and actors:
                number, actor = waiting.popleft(), actors.popleft()
                busy[actor.answer.remote(shards[number])] = number, actor
            if not busy:
                raise RunError(f"No node of the Ray cluster at '{self.address}' is left to answer.")
            for done in ray.wait(list(busy), num_returns=1)[0]:
                number, actor = busy.pop(done)
                try:
                    found = ray.get(done)
                except ray.exceptions.RayActorError:  # its node is lost: another does the shard
                    waiting.appendleft(number)
                    continue
                except ray.exceptions.RayTaskError as error:
                    raise _as_ours(error) from error
                actors.append(actor)
                yield number, found

    def _actors(self, ray: Any, answerer: Answerer, content: Any, most: int) -> Iterator[Any]:
        """Yield actors, on each node as many as it has CPUs for."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = ray.remote(num_cpus=self.threads)(Actor)
        count = min(most, self.jobs or most)
        for node in ray.nodes():
            for slot in range(int(node["Resources"].get("CPU", 0)) // self.threads if node["Alive"] else 0):
                if count:
                    count -= 1
                    here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                    yield remote.options(scheduling_strategy=here).remote(answerer, content, slot)


class Actor:
    """An answerer on a node, pinned to CPUs of its own."""

    def __init__(self, answerer: Answerer, content: bytes, slot: int) -> None:
        with suppress(AttributeError, OSError):  # not Linux, or a sandbox that refuses
            cpus = sorted(os.sched_getaffinity(0))
            first = slot * answerer.threads % len(cpus)
            os.sched_setaffinity(0, cpus[first : first + answerer.threads])
        self._folder = tempfile.TemporaryDirectory(prefix="pe_validate-")
        path = answerer.path and _unpacked(content, Path(self._folder.name))
        self._answerer = replace(answerer, path=path)
        self._asked: Asked | None = None

    def answer(self, shard: Shard) -> Features:
        """Return the features of a shard."""
        self._asked = self._asked or Asked(self._answerer)  # an error while it is made would look like a lost node
        return self._asked.answer(shard)


def _check_reachable(address: str) -> None:
    """Check that something listens at ``HOST:PORT``; Ray itself tries for ten minutes.

    Raises:
        OSError: nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), PATIENCE).close()


def _packed(path: Path) -> bytes:
    """Return an artifact, a file or a folder, as an archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(path, path.name)
    return content.getvalue()


def _unpacked(content: bytes, folder: Path) -> Path:
    """Return the artifact in an archive that :func:`_packed` made, in ``folder``."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
        return folder / archive.getnames()[0]


def _as_ours(error: Any) -> PEValidateError:
    """Return what an actor raised, as the error of a stage."""
    cause = error.cause
    return cause if isinstance(cause, PEValidateError) else RunError(f"A Ray actor failed: {first_line(cause)}.")


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError("--ray needs Ray: pip install 'pe-validate[ray]'.") from error
    return ray
