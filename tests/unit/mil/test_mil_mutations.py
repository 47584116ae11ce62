"""A wrong operator turns an oracle red: each mutation is one line that someone might write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from mil_networks import LIMIT, NETWORKS, Quiet, distance, network, save
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil import load
from pe_validate.mil.ops import OPERATORS
from pe_validate.system.errors import RunError

Run = Callable[..., Any]


def changed(**arguments: Callable[[Any], Any]) -> Callable[[Run], Run]:
    """The operator, given other arguments than it was."""

    def mutate(run: Run) -> Run:
        return lambda **given: run(**given | {k: change(given[k]) for k, change in arguments.items() if k in given})

    return mutate


def without(*names: str) -> Callable[[Run], Run]:
    """The operator, some parameters ignored."""
    return lambda run: lambda **given: run(**{k: v for k, v in given.items() if k not in names})


def instead(wrong: Run) -> Callable[[Run], Run]:
    """Something else."""
    return lambda run: wrong


def opposite(value: Tensor) -> Tensor:
    return ~value


BY_INFERENCE: dict[str, tuple[str, Callable[[Run], Run]]] = {
    "tanh GELU for the exact one": ("gelu", instead(lambda x, mode: F.gelu(x, approximate="tanh"))),
    "LayerNorm without its epsilon": ("layer_norm", without("epsilon")),
    "LayerNorm over the last axis alone": ("layer_norm", changed(axes=lambda axes: axes[-1:])),
    "L2 norm without its epsilon": ("l2_norm", without("epsilon")),
    "halves rounded away from zero": ("round", instead(lambda x: x.sign() * (x.abs() + 0.5).floor())),
    "division rounded towards zero": ("floor_div", instead(lambda x, y: torch.div(x, y, rounding_mode="trunc"))),
    "remainder with the dividend's sign": ("mod", instead(lambda x, y: torch.fmod(x, y))),
    "softmax along the last axis": ("softmax", without("axis")),
    "reduction of one axis of several": ("reduce_sum", changed(axes=lambda axes: axes[:1])),
    "mean without its axis kept": ("reduce_mean", changed(keep_dims=opposite)),
    "permutation inverted": ("transpose", changed(perm=lambda perm: perm.argsort())),
    "gather from another axis": ("gather", without("axis")),
    "sum from the wrong end": ("cumsum", without("reverse")),
    "sorted the other way round": ("argsort", changed(ascending=opposite)),
    "smallest in place of largest": ("topk", changed(ascending=opposite)),
    "edge repeated where it is mirrored": ("pad", changed(mode=lambda mode: mode.replace("reflect", "replicate"))),
    "end kept where it is masked": ("slice_by_index", without("end_mask")),
    "band's sides exchanged": ("band_part", lambda run: lambda x, lower, upper: run(x=x, lower=upper, upper=lower)),
    "repetition of elements for that of tensors": (
        "tile",
        instead(lambda x, reps: x.repeat_interleave(int(reps[-1]), -1)),
    ),
    "second operand not transposed": ("matmul", without("transpose_y")),
    "attention without its scale": (
        "scaled_dot_product_attention",
        instead(lambda query, key, value, attn_mask=None: (query @ key.mT).softmax(-1) @ value),
    ),
    "attention mask inverted": ("scaled_dot_product_attention", changed(attn_mask=opposite)),
    "slope of every channel for each": ("prelu", changed(alpha=lambda alpha: alpha.mean() * torch.ones_like(alpha))),
    "comparison that includes equality": ("greater", instead(lambda x, y: x >= y)),
    "quantised with truncation": ("quantize", changed(input=lambda x: x - 1e-3)),
    "zero point added": ("constexpr_affine_dequantize", changed(zero_point=lambda z: -z.to(torch.int32))),
    "scale of another axis": ("constexpr_affine_dequantize", changed(axis=lambda axis: axis + 1)),
    "block offset ignored": ("constexpr_blockwise_shift_scale", without("offset")),
    "blocks counted from the end": ("constexpr_blockwise_shift_scale", changed(scale=lambda scale: scale.flip(0))),
    "palette read backwards": ("constexpr_lut_to_dense", changed(lut=lambda lut: lut.flip(-2))),
    "vectors along another axis": ("constexpr_lut_to_dense", changed(vector_axis=lambda axis: axis * 0)),
    "sparse values in another order": ("constexpr_sparse_to_dense", changed(nonzero_data=lambda data: data.flip(0))),
}


@pytest.mark.parametrize("mutation", BY_INFERENCE)
def test_value_inference_sees(oracle: ModuleType, monkeypatch: pytest.MonkeyPatch, mutation: str) -> None:
    name, mutate = BY_INFERENCE[mutation]
    monkeypatch.setitem(OPERATORS, name, replace(OPERATORS[name], run=mutate(OPERATORS[name].run)))
    with pytest.raises((AssertionError, RuntimeError, IndexError, ExceptionGroup)):
        oracle.check(name)


def times(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda value: value * factor


BY_NETWORKS: dict[str, tuple[str, str, Callable[[Run], Run]]] = {
    "padding on the other side": (
        "convolutions",
        "conv",
        changed(
            pad=lambda pad: pad.reshape(-1, 2).flip(1).reshape(-1), x=lambda x: x.flip(-1) if x.shape[1] < 4 else x
        ),
    ),
    "epsilon of batch normalisation × 100": ("convolutions", "batch_norm", changed(epsilon=times(100))),
    "variance taken for a deviation": ("convolutions", "batch_norm", changed(variance=lambda v: v**2)),
    "padding counted in the average": ("convolutions", "avg_pool", without("exclude_padding_from_average")),
    "padding that wins a maximum": ("convolutions", "max_pool", changed(x=lambda x: x + 1)),
    "slope of a negative input": ("convolutions", "leaky_relu", changed(alpha=times(1.01))),
    "kernel not flipped": ("u-net", "conv_transpose", changed(weight=lambda w: w.flip(-1))),
    "corners aligned": ("u-net", "upsample_bilinear", changed(align_corners=opposite)),
    "reflection for replication": ("u-net", "pad", changed(mode=lambda mode: mode.replace("reflect", "replicate"))),
    "rows for columns": ("text-transformer", "transpose", changed(perm=lambda perm: perm.argsort())),
    "embeddings of the next token": ("text-transformer", "gather", changed(indices=lambda i: i + 1)),
}


@pytest.fixture(scope="module")
def packages(ct: Any, quiet: Quiet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("networks")
    with quiet():
        return {name: save(ct, *network(name), folder / f"{name}.mlpackage") for name in NETWORKS}


@pytest.mark.parametrize("mutation", BY_NETWORKS)
def test_another_network_shows(packages: dict[str, Path], monkeypatch: pytest.MonkeyPatch, mutation: str) -> None:
    name, operator, mutate = BY_NETWORKS[mutation]
    model, x = network(name)
    with torch.inference_mode():
        expected = model(x).numpy()
    used: set[str] = set()
    whole = load(packages[name]).predict({"x": x.numpy()}, trace=lambda name, kind, value: used.add(kind))["y"]
    assert distance(whole, expected) < LIMIT
    assert operator in used, sorted(used)
    monkeypatch.setitem(OPERATORS, operator, replace(OPERATORS[operator], run=mutate(OPERATORS[operator].run)))
    try:
        found = load(packages[name]).predict({"x": x.numpy()})["y"]
    except RunError:
        return
    assert not distance(found, expected) < LIMIT
