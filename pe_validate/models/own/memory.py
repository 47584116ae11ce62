"""Models that exist in memory only, as in a notebook: what is captured goes into a folder that child processes read."""

from __future__ import annotations

import inspect
import json
import os
from copy import deepcopy
from itertools import count
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from pe_validate.inputs.feed import NOISES, ArrayFeed
from pe_validate.models.base import Model
from pe_validate.models.own.config import FILE, VARIABLE
from pe_validate.models.own.model import OwnModel, scratch
from pe_validate.models.own.program import captured, one_output
from pe_validate.system.errors import UsageError

PROGRAM: Final = "program.pt2"
INPUTS: Final = "inputs.npz"

_registered: Final[dict[str, str]] = {}
"""The configuration file of each model, by name."""

_numbers: Final = count()


def register(
    module: nn.Module,
    example_inputs: Tensor | tuple[Tensor, ...],
    *,
    name: str,
    output: str | None = None,
    targets: tuple[str, ...] = (),
    answer: str = "tensor",
) -> Model:
    """See :meth:`pe_validate.models.base.Model.from_module`."""
    from pe_validate.models.registry import model_named, models

    example = _only(name, example_inputs)
    if name in models() and name not in _registered:
        raise UsageError(f"There is a model '{name}' already: choose another name.")
    eager = one_output(name, deepcopy(module).float().eval().requires_grad_(False), example, output)
    program = captured(name, eager, example)
    folder = scratch() / f"{name}-{next(_numbers)}"
    folder.mkdir()
    torch.export.save(program, folder / PROGRAM)
    array = example.numpy()
    noise = ArrayFeed(array.shape, {}, float(array.mean()), float(array.std()) or 1.0).crops(NOISES - 1, 0)
    np.savez(folder / INPUTS, allow_pickle=False, example=array, **{sample.name: sample.image for sample in noise})
    called = next(iter(inspect.signature(module.forward).parameters), "image")
    lines = [
        f"[models.{json.dumps(name)}]",
        f"program = {json.dumps(PROGRAM)}",
        f"feed = {json.dumps(INPUTS)}",
        f"targets = {json.dumps(targets)}",
        f"answer = {json.dumps(answer)}",
        f"output = {json.dumps(output)}" if output else "",
        f"[models.{json.dumps(name)}.inputs.{json.dumps(called)}]",
        f"shape = {list(array.shape)}",
    ]
    (folder / FILE).write_text("\n".join(lines), encoding="utf-8")
    files = [file for file in os.environ.get(VARIABLE, "").split(os.pathsep) if file]
    files = [file for file in files if file != _registered.get(name)]
    _registered[name] = str(folder / FILE)
    os.environ[VARIABLE] = os.pathsep.join([*files, _registered[name]])  # children read it, too
    model = model_named(name)
    assert isinstance(model, OwnModel)
    model.eager = eager
    return model


def _only(name: str, example_inputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else example_inputs
    if len(inputs) != 1 or inputs[0].dtype != torch.float32:
        given = ", ".join(f"{each.dtype}{list(each.shape)}" for each in inputs)
        raise UsageError(f"{name} is given {given}; one float32 tensor is what can be validated today.")
    return inputs[0].detach().contiguous()
