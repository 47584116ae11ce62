"""Parts of a module that know their own deployable forms, such as a Perception Encoder inside a user's module.

A part is any submodule with a method ``deployed(form, *inputs)``, which returns a module that is equal to it in float64
for inputs of those shapes, or itself.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from pe_validate.models.own.rewrites import agree


def with_parts_deployed(module: nn.Module, form: str, probe: tuple[Tensor, ...]) -> nn.Module | None:
    """Return a copy of ``module`` whose parts are in ``form``, proved in float64 on ``probe``; None if it has none."""
    found = _inputs_of_parts(module, probe)
    if not found:
        return None
    wide = deepcopy(module).double()
    doubled, inputs = _doubled(probe), {name: _doubled(given) for name, given in found.items()}
    try:
        with torch.no_grad():
            if not agree(wide(*doubled), _exchanged(wide, form, inputs)(*doubled)):
                return None
    except RuntimeError:  # a part that does not take these shapes, or a module that insists on float32
        return None
    return _exchanged(module, form, found)


def _doubled(given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return inputs with floats in float64."""
    return tuple(each.double() if each.is_floating_point() else each for each in given)


def _inputs_of_parts(module: nn.Module, probe: tuple[Tensor, ...]) -> dict[str, tuple[Tensor, ...]]:
    """Return the inputs of every part that is used, by its name; what is inside a part is not looked at."""
    found: dict[str, tuple[Tensor, ...]] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(part: nn.Module, given: tuple[Tensor, ...]) -> None:
            found.setdefault(name, given)

        return hook

    hooks = []
    parts: list[str] = []
    for name, part in module.named_modules():
        inside = any(not outer or name.startswith(f"{outer}.") for outer in parts)
        if hasattr(part, "deployed") and not inside:
            parts.append(name)
            hooks.append(part.register_forward_pre_hook(keep(name)))
    if not parts:
        return {}
    try:
        with torch.no_grad():
            module(*probe)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _exchanged(module: nn.Module, form: str, inputs: dict[str, tuple[Tensor, ...]]) -> nn.Module:
    copy = deepcopy(module)
    for name, given in inputs.items():
        deployed: nn.Module = copy.get_submodule(name).deployed(form, *given)  # type: ignore[operator]  # it is a part
        if not name:
            return deployed
        outer, _, last = name.rpartition(".")
        setattr(copy.get_submodule(outer), last, deployed)
    return copy
