"""The values that a tower or its rewrite computes at each named place, read with hooks.

Places, in order: ``patches`` (convolution, class token, positions), ``ln_pre``, ``block 0 attention``,
``block 0 MLP`` … , ``ln_post``, ``pooling``, ``projection``. All but the last two are the residual stream,
``[tokens, width]``, without its mean over the channels, because the rewrite may have removed it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pe_validate.models.perception_encoder.vision.deploy import Deployable, DeployableBlock
from pe_validate.models.perception_encoder.vision.tower import ResidualBlock, VisionTower

Array = NDArray[np.float64]

FEATURES: Final = "projection"
"""The place of the features themselves, whose mean is kept."""

_LAYER: Final = re.compile(r"encoder\.(block(\d+)\.(attention)?|pool|projection|first|last)?")


def places_of(model: nn.Module, image: NDArray[np.generic]) -> dict[str, Array]:
    """Return the values of ``model`` by place for one image; empty for a module that has lost its structure."""
    found: dict[str, Array] = {}

    def note(place: str) -> Callable[[Tensor], None]:
        return lambda value: found.__setitem__(place, centred(value.double().numpy()))

    with ExitStack() as hooks, torch.inference_mode():
        if isinstance(model, VisionTower):
            _watch_tower(model, note, hooks)
        elif isinstance(model, Deployable):
            _watch_rewrite(model, note, hooks)
        else:
            return {}
        features: Tensor = model(torch.from_numpy(image))
        config = model.config
    if config.pool_heads is None or config.output_dim:
        found[FEATURES] = features.double().numpy().reshape(-1, features.shape[-1])
    return found


def centred(value: NDArray[np.generic]) -> Array:
    """Return ``value`` as float64 ``[tokens, channels]``, without its mean over the channels."""
    rows = np.asarray(value, np.float64).reshape(-1, value.shape[-1])
    difference: Array = rows - rows.mean(axis=1, keepdims=True)
    return difference


def at_place(place: str, value: NDArray[np.generic]) -> Array:
    """Return an artifact's value in the form that :func:`places_of` returns for ``place``, ``[tokens, channels]``."""
    return centred(value) if place != FEATURES else np.asarray(value, np.float64)


def place_of_layer(name: str) -> str | None:
    """Return the place of a layer of the rewrite: ``encoder.block2.contract.weight`` is in ``block 2 MLP``."""
    match = _LAYER.match(name)
    if match is None or match[1] is None:
        return None
    if match[2]:
        return f"block {match[2]} {'attention' if match[3] else 'MLP'}"
    return {"pool": "pooling", "projection": FEATURES, "first": "ln_pre", "last": "ln_post"}[match[1]]


Note = Callable[[str], Callable[[Tensor], None]]


def before(module: nn.Module, note: Callable[[Tensor], None], hooks: ExitStack) -> None:
    """Note what ``module`` is given, until ``hooks`` are closed."""
    hooks.callback(module.register_forward_pre_hook(lambda _, inputs: note(inputs[0])).remove)


def after(module: nn.Module, note: Callable[[Tensor], None], hooks: ExitStack) -> None:
    """Note what ``module`` gives, until ``hooks`` are closed."""
    hooks.callback(module.register_forward_hook(lambda _, inputs, output: note(output)).remove)


def _watch_tower(model: VisionTower, note: Note, hooks: ExitStack) -> None:
    before(model.ln_pre, note("patches"), hooks)
    after(model.ln_pre, note("ln_pre"), hooks)
    for number, block in enumerate(model.transformer.resblocks):
        assert isinstance(block, ResidualBlock)
        before(block.ln_2, note(f"block {number} attention"), hooks)
        after(block, note(f"block {number} MLP"), hooks)
    if isinstance(norm := model.ln_post, nn.LayerNorm):
        standard = note("ln_post")  # without the affine part, which the rewrite folds into the next layers
        shape, eps = norm.normalized_shape, norm.eps
        before(norm, lambda x: standard(nn.functional.layer_norm(x, list(shape), eps=eps)), hooks)
    if model.attn_pool is not None:
        after(model.attn_pool, note("pooling"), hooks)


def _watch_rewrite(model: Deployable, note: Note, hooks: ExitStack) -> None:
    steps = dict(model.encoder.named_children())
    before(steps["first_norm"], note("patches"), hooks)
    after(steps["first_affine"], note("ln_pre"), hooks)
    for name, block in steps.items():
        if isinstance(block, DeployableBlock):
            number = name.removeprefix("block")
            before(block.standardize, note(f"block {number} attention"), hooks)  # called twice: the second call counts
            after(block, note(f"block {number} MLP"), hooks)
    for name, place in (("last_norm", "ln_post"), ("pool", "pooling")):
        if name in steps:
            after(steps[name], note(place), hooks)
