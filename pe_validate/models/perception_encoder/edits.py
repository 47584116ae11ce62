"""Mistakes with a tower, each as an edit of its twin, which shares every tensor that is not replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pe_validate.models.mistake import Mistake, NoSuchPartError, twin

Edit = Callable[[Any], object]
Places = Mapping[str, tuple[str, ...]]
"""Where an artifact with a mistake first leaves its model, by topic."""


def edited(places: Places, topic: str, name: str, saying: str, edit: Edit, *, blocks: tuple[int, ...] = ()) -> Mistake:
    """Return a mistake that edits a twin of the tower in place, whose tensors it must replace and not write to.

    ``blocks`` are those in one of which an artifact first leaves its model, if ``places`` has nothing on the topic.
    """

    def alter(tower: Any) -> nn.Module:
        copy: nn.Module = twin(tower)
        try:
            with torch.no_grad():
                edit(copy)
        except (AttributeError, IndexError) as error:  # a step or a block that another mistake took out
            raise NoSuchPartError(name) from error
        return copy

    within = tuple(f"block {number} {part}" for number in blocks for part in ("attention", "MLP"))
    return Mistake(topic, name, saying, alter, places.get(topic) or within)


def set_parameter(module: nn.Module, name: str, value: Tensor) -> None:
    """Replace a parameter of a module."""
    setattr(module, name, nn.Parameter(value.contiguous(), requires_grad=False))
