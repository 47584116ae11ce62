"""Ask an artifact, or PyTorch itself, for the features of every item of a shard; runs in worker processes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from pe_validate.data.case import Case
from pe_validate.data.features import Features
from pe_validate.inputs.datasets import Shard
from pe_validate.models.registry import load_model, load_weights, model_named
from pe_validate.system.cpu import cpu_identity
from pe_validate.system.errors import LoadError, RunError
from pe_validate.system.sources import code_digest
from pe_validate.targets.open import load
from pe_validate.targets.registry import target_named
from pe_validate.targets.runtime import Runtime

CODE: Final = ("pe_validate.inputs.datasets", __name__)
"""Modules that decide what is answered, beside those of the feed and of the target or the model."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """An artifact of a case, at ``path``, or PyTorch with weights given by spec if there is none.

    ``identity`` is the sha256 of the artifact or of the weights, ``threads`` the number that the runtime uses.
    """

    case: Case
    weights: str
    identity: str
    threads: int
    path: Path | None = None

    @property
    def key(self) -> str:
        """A digest of everything that decides the features of an image."""
        model = model_named(self.case.model)
        target = None if self.path is None else target_named(self.case.target)
        tools = (*model.feed.tools, *(target.tools if target else ("torch",)))
        modules = (*CODE, *model.feed.modules, *(target.modules if target else model.modules))
        decisive = {
            "kind": self.case.kind,
            "identity": self.identity,
            "threads": self.threads,
            "feed": repr(model.feed),
            "tools": {name: version(name) for name in tools},
            "code": code_digest(modules),
            "cpu": cpu_identity(),
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def open(self) -> Runtime:
        """Load it into this process.

        Raises:
            LoadError: the weights cannot be loaded, or are others by now.
            RunError: the artifact cannot be loaded.
        """
        model = model_named(self.case.model)
        if self.path is not None:
            reading = target_named(self.case.target).reading(self.case.precision, "model")
            runtime = load(self.path, self.case.target, reading, self.threads)
            runtime.interface = model.interface
            return runtime
        import torch

        from pe_validate.targets.eager import EagerRuntime

        torch.set_num_threads(self.threads)
        weights = load_weights(self.case.model, self.weights)
        if weights.sha256 != self.identity:
            raise LoadError(f"The weights '{self.weights}' changed while {self.case.model} was asked.")
        return EagerRuntime(load_model(self.case.model, weights), model)


class Asked:
    """An opened answerer, which reads shards and answers them.

    An image is decoded when the runtime is free: a thread that decodes ahead waits for Python's lock, which ExecuTorch
    holds while it computes, and other processes keep the other cores busy.
    """

    def __init__(self, answerer: Answerer) -> None:
        self._feed, self._runtime = model_named(answerer.case.model).feed, answerer.open()

    def answer(self, shard: Shard) -> Features:
        """Return the features of every image that can be read.

        Raises:
            LoadError: the shard cannot be read.
            RunError: the runtime fails.
        """
        names, labels, rows, broken = [], [], [], {}
        for item in shard.items():
            try:
                values = self._feed.of(item.content, item.name)
            except LoadError as error:
                broken[item.name] = str(error)
                continue
            names.append(item.name)
            labels.append(item.label)
            rows.append(self._runtime.run(*values).reshape(-1))
        features = np.stack(rows) if rows else np.zeros((0, 0), np.float32)
        return Features(self._runtime.producer, tuple(names), np.array(labels, np.int64), features, broken)


_asked: Asked | None = None  # the child's own, set by begin


def begin(answerer: Answerer) -> None:
    """Open ``answerer`` in this child."""
    global _asked
    _asked = Asked(answerer)


def answer(shard: Shard) -> Features:
    """Return the answers of what :func:`begin` opened in this child."""
    if _asked is None:
        raise RunError("Nothing was opened to answer.")
    return _asked.answer(shard)
