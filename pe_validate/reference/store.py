"""A store of reference outputs, which are computed once and again only when something that decides them changes.

A file is named by a digest of the model, the weights, the code, the inputs, the versions of the tools, the CPU and the
number of threads: another CPU sums in another order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pe_validate.data.outputs import Outputs, entries
from pe_validate.data.schema import schema
from pe_validate.data.tensors import Interface
from pe_validate.inputs.images import Sample
from pe_validate.system.cpu import cpu_identity
from pe_validate.system.errors import FileError
from pe_validate.system.files import replace_file
from pe_validate.system.sources import code_digest


@dataclass(frozen=True)
class Question:
    """The key of stored outputs: a model, or a form of it, and everything else that decides its outputs."""

    model: str
    weights_sha256: str
    asked: str
    made_of: str
    code: tuple[str, ...]
    """Modules whose source is part of the key."""
    tools: tuple[str, ...]
    """Distributions whose version is part of the key."""
    inputs: tuple[Sample, ...] = field(compare=False, repr=False)
    interface: Interface | None = None
    """That of the model, whose outputs name what is stored."""
    digest: str = field(init=False)
    """Digest of the inputs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(self.inputs))

    @property
    def entries(self) -> list[str]:
        """The names of what is stored."""
        return [name for sample in self.inputs for name in entries(sample.name, self.interface)]

    @cached_property
    def key(self) -> str:
        """The file name (stem) under which the outputs are stored."""
        decisive = {
            "model": self.model,
            "weights": self.weights_sha256,
            "asked": self.asked,
            "made of": self.made_of,
            "code": code_digest(self.code),
            "tools": {name: version(name) for name in self.tools},
            "inputs": self.digest,
            "cpu": cpu_identity(),
            "threads": _threads(),
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]


def digest_of(samples: tuple[Sample, ...]) -> str:
    """Return the sha256 of the names and values of the inputs."""
    total = hashlib.sha256()
    for sample in samples:
        # File names may hold bytes that are not UTF-8.
        total.update(f"{sample.name}\0{sample.digest}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


@cache
def _threads() -> int:
    import torch

    return torch.get_num_threads()


@dataclass(frozen=True, slots=True)
class _About:
    """The description of stored outputs in their file; ``sha256`` covers the producer and all tensors."""

    producer: str
    asked: str
    sha256: str


class AnswerStore:
    """A folder of stored outputs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, question: Question) -> Outputs | None:
        """Return the stored outputs, or None if there are none or they are damaged."""
        try:
            with safe_open(self._path(question), "np") as file:
                about = schema(_About).validate_json((file.metadata() or {})["about"])
                tensors = [file.get_tensor(str(number)) for number in range(len(question.entries))]
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        if about.sha256 != _sum(about.producer, tensors):
            return None
        return Outputs(about.producer, dict(zip(question.entries, tensors, strict=True)))

    def write(self, question: Question, answer: Outputs) -> None:
        """Store outputs atomically.

        Raises:
            FileError: the folder cannot be written.
        """
        tensors = list(answer.features.values())
        about = (
            schema(_About).dump_json(_About(answer.producer, question.asked, _sum(answer.producer, tensors))).decode()
        )
        content = save({str(number): tensor for number, tensor in enumerate(tensors)}, {"about": about})
        self._replace(self._path(question), content)

    def read_digests(self, question: Question) -> dict[str, str] | None:
        """Return stored digests by name, or None if there are none or they are damaged."""
        try:
            about = json.loads(self._path(question, ".json").read_bytes())
            found = {str(name): str(digest) for name, digest in about["digests"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return found if about.get("sha256") == _sum_of(found) else None

    def write_digests(self, question: Question, digests: Mapping[str, str]) -> None:
        """Store digests atomically.

        Raises:
            FileError: the folder cannot be written.
        """
        content = json.dumps({"digests": dict(digests), "sha256": _sum_of(digests)})
        self._replace(self._path(question, ".json"), content.encode())

    def _path(self, question: Question, suffix: str = ".safetensors") -> Path:
        return self.folder / f"{question.key}{suffix}"

    def _replace(self, path: Path, content: bytes) -> None:
        try:
            replace_file(path, content)
        except OSError as error:
            raise FileError(
                f"Cannot write to '{self.folder}' ({error.strerror or error}): choose another or free some space."
            ) from error


def _sum_of(digests: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(digests), sort_keys=True).encode()).hexdigest()


def _sum(producer: str, tensors: list[np.ndarray]) -> str:
    total = hashlib.sha256(f"{producer}\0".encode())
    for tensor in tensors:
        total.update(f"{tensor.dtype}{tensor.shape}".encode())
        total.update(np.ascontiguousarray(tensor).data)
    return total.hexdigest()
