"""A mistake that converters make: a model with a part of it altered, which an artifact may turn out to be."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Mistake:
    """One way to alter a model.

    ``places`` are those, in the words of :meth:`~pe_validate.models.base.Model.places`, in one of which an artifact
    with the mistake first leaves its model; none if it may be anywhere.

    ``saying`` completes "it is the model …". ``alter`` returns the altered module and leaves the one that it is given
    as it is; they may share tensors (:func:`twin`). Mistakes of one ``topic`` are alike, and are told apart together:
    once one of them explains an artifact, the rest of its topic is tried and no other. Several mistakes may have the
    same ``name`` if they are variants of one, which ``variant`` then counts.
    """

    topic: str
    name: str
    saying: str
    alter: Callable[[Any], nn.Module]
    places: tuple[str, ...] = ()
    variant: int = 0

    def may_begin_in(self, place: str | None) -> bool:
        """Return whether an artifact with the mistake may first leave its model in ``place``; None if not known."""
        return place is None or not self.places or place in self.places


class NoSuchPartError(Exception):
    """The module has lost the part that is to be altered, since it was altered before."""


def twin(module: Any, _known: dict[int, Any] | None = None) -> Any:
    """Return a copy of a module that shares its tensors: replace them in the copy, and never write to them."""
    known = {} if _known is None else _known
    if id(module) not in known:
        known[id(module)] = made = copy(module)
        made._parameters, made._buffers = dict(module._parameters), dict(module._buffers)
        made._modules = {name: child and twin(child, known) for name, child in module._modules.items()}
    return known[id(module)]
