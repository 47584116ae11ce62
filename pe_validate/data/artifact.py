"""An artifact: one exported file or package, what it declares, and how it was made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from pe_validate.case import Case
from pe_validate.data.counts import Count
from pe_validate.system.errors import RunError

INPUT_NAME = "image"
OUTPUT_NAME = "features"

MEMORY = 4 * 2**30
MEMORY_FOR_EACH_BYTE = 12
"""Bytes that a runtime may allocate: the libraries take the first, weights in several forms the second."""

LARGEST = 4 * 2**30
"""Bytes of an artifact; the largest model's in float32 has a third of it."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape and NumPy dtype name of one declared input or output; an axis of any length is -1."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join('?' if n < 0 else str(n) for n in self.shape)}]"

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of ``shape`` is what was declared."""
        return len(shape) == len(self.shape) and all(n in (-1, m) for n, m in zip(self.shape, shape, strict=True))


@dataclass(frozen=True, slots=True)
class Delegation:
    """What an ExecuTorch program hands to its delegate, and what is left to portable kernels.

    ``products``: multiply-accumulates inside the delegate, by operator and operand types, such as
    ``linear qdint8 × qcint8``. ``backend``: whose delegate it is. ``constants``: the beginnings of the sha256 of all
    that XNNPACK's delegates store. ``altered``: the names of those that are not what was written.
    """

    delegate_calls: int
    left_over: tuple[str, ...]
    products: dict[str, int] = field(default_factory=dict, hash=False)
    backend: str = "XnnpackBackend"
    constants: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Artifact:
    """One exported form of a model, on disk at ``path``."""

    case: Case
    path: Path
    sha256: str
    size: Count
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    weights: str
    weights_sha256: str
    tools: dict[str, str] = field(hash=False)
    seconds: float
    delegation: Delegation | None = None
    key: str = ""
    """Of its entry in the cache: a digest of everything that decides what is exported, code included."""


def digest(path: Path) -> str:
    """Sha256 of a file; of a package folder, over relative names and contents in sorted order."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total = hashlib.sha256()
    for member in sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(f"{member.relative_to(path).as_posix()}\0{digest(member)}\n".encode())
    return total.hexdigest()


def size(path: Path) -> int:
    """Bytes of a file, or of every file in a package folder."""
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def memory_for(path: Path) -> int:
    """What a sound artifact of this size never needs.

    Raises:
        RunError: it is larger than any; a file may have terabytes that are nowhere on the disk.
    """
    found = size(path) if path.exists() else 0
    if found > LARGEST:
        raise RunError(f"'{path}' has {found:,} bytes, and no artifact has more than {LARGEST:,}; export it again.")
    return MEMORY + MEMORY_FOR_EACH_BYTE * found
