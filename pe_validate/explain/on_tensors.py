"""Whether a file stores other weights than those of the graph that it should be: one tensor, several, or all.

What the file stores is put in the place of what the graph has. If the graph then answers as the file does, the tensors
that differ are the whole explanation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pe_validate.models.mistake import twin

ALL: Final = 0.9
"""The share of a graph's weights that differ in a file of another checkpoint, in more than half of its matrices: one
table of embeddings may be nine tenths of a model."""

UNLIKE: Final = 0.5
"""The cosine below which two tensors are of different origin, and neither is a rounded form of the other."""


@dataclass(frozen=True)
class Stored:
    """A graph with the tensors that a file stores, and the ``names`` of those that differ."""

    module: nn.Module
    names: tuple[str, ...]
    saying: str


def with_stored(graph: nn.Module, stored: Mapping[str, NDArray[np.generic]]) -> Stored | None:
    """Return ``graph`` with the tensors of a file, by name; None if none differs."""
    own = {name: tensor for name, tensor in graph.state_dict().items() if name in stored}
    found = {name: torch.from_numpy(np.array(stored[name])).to(tensor.dtype) for name, tensor in own.items()}
    other = tuple(n for n in own if own[n].shape == found[n].shape and not torch.equal(own[n], found[n]))
    if not other:
        return None
    copy = twin(graph)
    for name in other:
        owner, _, leaf = name.rpartition(".")
        part = copy.get_submodule(owner)
        if leaf in part._parameters:
            part._parameters[leaf] = nn.Parameter(found[name], requires_grad=False)
        else:
            part._buffers[leaf] = found[name]
    return Stored(copy, *_described(own, found, other))


def _described(
    own: Mapping[str, Tensor], found: Mapping[str, Tensor], other: tuple[str, ...]
) -> tuple[tuple[str, ...], str]:
    if len(other) == 2:
        one, two = other
        if torch.equal(own[one], found[two]) and torch.equal(own[two], found[one]):
            return other, f"with '{one}' and '{two}' exchanged"
    unlike = [name for name in other if own[name].dim() > 1 and _cosine(own[name], found[name]) < UNLIKE]
    matrices = [name for name in own if own[name].dim() > 1]
    most = sum(own[n].numel() for n in unlike) >= ALL * sum(own[n].numel() for n in matrices)
    if most and 2 * len(unlike) > len(matrices):
        return ("another checkpoint",), "with the weights of another checkpoint"
    return other, other_values(other)


def other_values(names: tuple[str, ...]) -> str:
    """Return the end of "it is the model …" for tensors with other values."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"with other values in '{names[0]}'{more} than the checkpoint has"


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(nn.functional.cosine_similarity(one.flatten().double(), other.flatten().double(), dim=0))
