"""The values that a text tower or its rewrite computes at each named place, read with hooks.

Places, in order: ``tokens`` (embeddings and positions), ``block 0 attention``, ``block 0 MLP`` … , ``ln_final``,
``projection``. All but the last are the residual stream, ``[tokens, width]``, without its mean over the channels.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pe_validate.models.perception_encoder.text.deploy import DeployableText, DeployableTextBlock
from pe_validate.models.perception_encoder.text.tower import TextBlock, TextTower
from pe_validate.models.perception_encoder.vision.places import FEATURES, Array, after, before, centred

TOKENS: Final = "tokens"
LAST: Final = "ln_final"

_LAYER: Final = re.compile(r"encoder\.(block(\d+)\.(attention)?|projection)|embedding")


def places_of(model: nn.Module, tokens: NDArray[np.generic]) -> dict[str, Array]:
    """Return the values of ``model`` by place for one text; empty for a module that has lost its structure."""
    found: dict[str, Array] = {}

    def note(place: str, value: Tensor) -> None:
        found[place] = centred(value.double().numpy())

    with ExitStack() as hooks, torch.inference_mode():
        if isinstance(model, TextTower):
            before(model.transformer, partial(note, TOKENS), hooks)
            for number, block in enumerate(model.transformer.resblocks):
                assert isinstance(block, TextBlock)
                before(block.ln_2, partial(note, f"block {number} attention"), hooks)
                after(block, partial(note, f"block {number} MLP"), hooks)
            if isinstance(norm := model.ln_final, nn.LayerNorm):
                # Without the affine part, which the rewrite folds into the projection.
                standard = partial(nn.functional.layer_norm, normalized_shape=list(norm.normalized_shape), eps=norm.eps)
                before(norm, lambda x: note(LAST, standard(x)), hooks)
        elif isinstance(model, DeployableText):
            steps = dict(model.encoder.named_children())
            before(model.encoder, partial(note, TOKENS), hooks)
            for name, step in steps.items():
                if isinstance(step, DeployableTextBlock):
                    place = name.replace("block", "block ")
                    # It is called twice: the second call counts.
                    before(step.standardize, partial(note, f"{place} attention"), hooks)
                    after(step, partial(note, f"{place} MLP"), hooks)
            after(steps["last_norm"], partial(note, LAST), hooks)
        else:
            return {}
        features: Tensor = model(torch.from_numpy(tokens))
    found[FEATURES] = features.double().numpy().reshape(-1, features.shape[-1])
    return found


def place_of_layer(name: str) -> str | None:
    """Return the place of a layer of the rewrite: ``encoder.block2.contract.weight`` is in ``block 2 MLP``."""
    match = _LAYER.match(name)
    if match is None:
        return None
    if match[2]:
        return f"block {match[2]} {'attention' if match[3] else 'MLP'}"
    return FEATURES if match[1] else TOKENS
