"""An artifact: one exported file or package, what it declares, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pe_validate.data.case import Case
from pe_validate.data.counts import Count
from pe_validate.data.structure import Delegation
from pe_validate.data.tensors import TensorSpec


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
    """Name of its cache entry: a digest of everything that decides what is exported, including the code."""
    made_here: bool = True
    """False if someone else made it, so that its graph is not known and its weights are what it claims to have."""
