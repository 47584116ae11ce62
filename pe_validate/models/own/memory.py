"""Models that exist in memory only, as in a notebook: child processes read their configuration from a folder."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from copy import deepcopy
from itertools import count
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from pe_validate.inputs.feed import NOISES, ArrayFeed, Feed, IntegerFeed
from pe_validate.models.base import DEFAULT_WEIGHTS, Model
from pe_validate.models.own.config import FILE, VARIABLE
from pe_validate.models.own.model import OwnModel, scratch
from pe_validate.system.errors import PEValidateError, UsageError

INPUTS: Final = "inputs.npz"

_registered: Final[dict[str, str]] = {}
"""The configuration file of each model, by name."""

_numbers: Final = count()


def register(
    module: nn.Module,
    example_inputs: Tensor | tuple[Tensor, ...] | Mapping[str, Tensor],
    *,
    name: str,
    outputs: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    answer: str = "tensor",
    dynamic: Mapping[str, Mapping[int, tuple[int, int]]] = MappingProxyType({}),
) -> Model:
    """See :meth:`pe_validate.models.base.Model.from_module`."""
    from pe_validate.models.registry import model_named, models

    inputs = _named(module, name, example_inputs)
    if name in models() and name not in _registered:
        raise UsageError(f"There is a model '{name}' already: choose another name.")
    if unknown := dynamic.keys() - inputs.keys():
        raise UsageError(f"{name} has no input '{min(unknown)}', only {', '.join(inputs)}.")
    folder = scratch() / f"{name}-{next(_numbers)}"
    folder.mkdir()
    arrays = {called: np.stack(_like(tensor.numpy())) for called, tensor in inputs.items()}
    np.savez(folder / INPUTS, allow_pickle=False, **arrays)
    lines = [
        f"[models.{json.dumps(name)}]",
        'module = "memory:"',  # which no process imports
        f"feed = {json.dumps(INPUTS)}",
        f"targets = {json.dumps(targets)}",
        f"answer = {json.dumps(answer)}",
        f"outputs = {json.dumps(outputs)}",
    ]
    for called, tensor in inputs.items():
        lines.append(f"[models.{json.dumps(name)}.inputs.{json.dumps(called)}]")
        lines.append(f"shape = {list(tensor.shape)}")
        lines.append(f"dtype = {json.dumps(str(tensor.dtype).removeprefix('torch.'))}")
        ends = ", ".join(f"{axis} = [{least}, {most}]" for axis, (least, most) in dynamic.get(called, {}).items())
        lines.append(f"dynamic = {{{ends}}}")
    (folder / FILE).write_text("\n".join(lines), encoding="utf-8")
    _forget(name)
    _registered[name] = str(folder / FILE)
    os.environ[VARIABLE] = os.pathsep.join([*_files(), _registered[name]])  # children read it, too
    try:
        model = model_named(name)
        assert isinstance(model, OwnModel)
        model.eager = deepcopy(module).float().eval().requires_grad_(False)
        model.load_weights(DEFAULT_WEIGHTS)
    except PEValidateError:
        _forget(name)
        raise
    return model


def _files() -> list[str]:
    return [file for file in os.environ.get(VARIABLE, "").split(os.pathsep) if file]


def _forget(name: str) -> None:
    file = _registered.pop(name, None)
    os.environ[VARIABLE] = os.pathsep.join(each for each in _files() if each != file)


def _named(
    module: nn.Module, name: str, example_inputs: Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the example inputs by name: by default those of the parameters of ``forward``."""
    if isinstance(example_inputs, Mapping):
        inputs = dict(example_inputs)
    else:
        given = (example_inputs,) if isinstance(example_inputs, Tensor) else example_inputs
        parameters = [n for n, p in inspect.signature(module.forward).parameters.items() if p.kind != p.VAR_POSITIONAL]
        names = parameters if len(parameters) >= len(given) else ["image"] if len(given) == 1 else []
        names = names or [f"input{number}" for number in range(len(given))]
        inputs = dict(zip(names, given, strict=False))
    wrong = [each.dtype for each in inputs.values() if each.dtype not in _TYPES]
    if wrong or not inputs:
        listed = ", ".join(f"{each.dtype}{list(each.shape)}" for each in inputs.values()) or "nothing"
        raise UsageError(f"{name} is given {listed}; inputs are {', '.join(map(str, _TYPES))}.")
    return {called: tensor.detach().contiguous() for called, tensor in inputs.items()}


_TYPES: Final = (torch.float32, torch.int32, torch.int64, torch.bool)


def _like(array: np.ndarray) -> list[np.ndarray]:
    """Return an example, and random arrays like it."""
    noise: Feed
    if array.dtype == np.float32:
        noise = ArrayFeed(array.shape, {}, float(array.mean()), float(array.std()) or 1.0)
    else:
        noise = IntegerFeed(array.shape, str(array.dtype), (int(array.min()), int(array.max())))
    return [array, *(sample.values[0] for sample in noise.crops(NOISES - 1, 0))]
