"""Every operator computes what torch or NumPy says, one program for the whole table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from _pytest.mark import ParameterSet
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil import load
from pe_validate.mil.graph import GraphReader
from pe_validate.mil.ops import OPERATORS
from pe_validate.mil.ops.gathering import gather
from pe_validate.mil.ops.resizing import resize
from pe_validate.mil.package import Package

Build = Callable[[Any, Any, Any], Any]
Reference = Callable[[Tensor, Tensor], Any]
Evaluated = tuple[Tensor, Tensor, dict[str, Any], set[str], Path]
"""Inputs, outputs by case, the operators that ran, and the package."""

SHAPE = (2, 4, 6, 8)
RNG = np.random.default_rng(7)


def weight(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def t(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)


W, B = weight(5, 8), weight(5)
K, KB, K1 = weight(6, 4, 3, 3), weight(6), weight(4, 1, 2, 2)
KT = weight(4, 3, 3, 3)
C = weight(4)
POSITIVE = np.abs(C) + 0.5
IDX = np.array([3, 0, 2], np.int32)
IDX_SAME = RNG.integers(0, 8, SHAPE).astype(np.int32)
IDX_ND = np.array([[0, 1], [1, 3], [1, 0]], np.int32)
Q8 = RNG.integers(-128, 127, SHAPE).astype(np.int8)
U8 = RNG.integers(0, 255, (4, 8)).astype(np.uint8)
LUT16 = weight(16)
PACKED = RNG.integers(0, 255, 16).astype(np.uint8)  # 32 indices of 4 bits
NIBBLES = np.stack([PACKED & 15, PACKED >> 4], 1).reshape(4, 8)
MASK = RNG.random(SHAPE) > 0.5


def case(name: str, build: Build, reference: Reference, operator: str = "") -> ParameterSet:
    return pytest.param(name, build, reference, operator or name.partition("-")[0], id=name)


def unary(name: str, reference: Callable[[Tensor], Tensor]) -> ParameterSet:
    return case(name, lambda mb, x, y: getattr(mb, name)(x=x), lambda x, y: reference(x))


def unit(name: str, reference: Callable[[Tensor], Tensor]) -> ParameterSet:
    """A unary operator whose domain is [-1, 1]."""
    return case(name, lambda mb, x, y: getattr(mb, name)(x=mb.sin(x=x)), lambda x, y: reference(torch.sin(x)))


def positive(name: str, reference: Callable[[Tensor], Tensor], **options: Any) -> ParameterSet:
    return case(
        name,
        lambda mb, x, y: getattr(mb, name)(x=mb.square(x=x), **options),
        lambda x, y: reference(x.square()),
    )


def binary(name: str, reference: Callable[[Tensor, Tensor], Tensor]) -> ParameterSet:
    return case(name, lambda mb, x, y: getattr(mb, name)(x=x, y=y), reference)


def logical(name: str, reference: Callable[[Tensor, Tensor], Tensor]) -> ParameterSet:
    return case(
        name,
        lambda mb, x, y: getattr(mb, name)(x=mb.greater(x=x, y=0.0), y=mb.greater(x=y, y=0.0)),
        lambda x, y: reference(x > 0, y > 0),
    )


def reduced(name: str, reference: Callable[[Tensor], Tensor]) -> ParameterSet:
    return case(
        name,
        lambda mb, x, y: getattr(mb, name)(x=mb.exp(x=x), axes=[1, -1], keep_dims=True),
        lambda x, y: reference(torch.exp(x)),
    )


ELEMENTWISE = [
    *(
        unary(name, getattr(torch, name))
        for name in [
            "abs",
            "atan",
            "ceil",
            "cos",
            "cosh",
            "erf",
            "exp",
            "exp2",
            "floor",
            "round",
            "sign",
            "sin",
            "sinh",
            "square",
            "tan",
            "tanh",
        ]
    ),
    unit("acos", torch.acos),
    unit("asin", torch.asin),
    case(
        "atanh",
        lambda mb, x, y: mb.atanh(x=mb.mul(x=mb.sin(x=x), y=0.5)),
        lambda x, y: torch.atanh(0.5 * x.sin()),
    ),
    positive("sqrt", torch.sqrt),
    positive("rsqrt", lambda x: 1 / torch.sqrt(x + 0.1), epsilon=0.1),
    positive("log", lambda x: torch.log(x + 0.1), epsilon=0.1),
    positive("inverse", lambda x: 1 / (x + 0.1), epsilon=0.1),
    binary("add", torch.add),
    binary("sub", torch.sub),
    binary("mul", torch.mul),
    binary("real_div", torch.div),
    binary("maximum", torch.maximum),
    binary("minimum", torch.minimum),
    binary("mod", lambda x, y: t(np.mod(x.numpy(), y.numpy()))),
    binary("floor_div", lambda x, y: torch.floor(x / y)),
    case("pow", lambda mb, x, y: mb.pow(x=mb.abs(x=x), y=y), lambda x, y: x.abs().pow(y)),
    *(
        binary(name, function)
        for name, function in {
            "greater": torch.gt,
            "greater_equal": torch.ge,
            "less": torch.lt,
            "less_equal": torch.le,
        }.items()
    ),
    case("equal", lambda mb, x, y: mb.equal(x=x, y=mb.relu(x=x)), lambda x, y: x >= 0),
    case("not_equal", lambda mb, x, y: mb.not_equal(x=x, y=mb.relu(x=x)), lambda x, y: x < 0),
    logical("logical_and", torch.logical_and),
    logical("logical_or", torch.logical_or),
    logical("logical_xor", torch.logical_xor),
    case("logical_not", lambda mb, x, y: mb.logical_not(x=mb.greater(x=x, y=y)), lambda x, y: x <= y),
    case("select", lambda mb, x, y: mb.select(cond=mb.greater(x=x, y=y), a=x, b=y), torch.maximum),
    case("clip", lambda mb, x, y: mb.clip(x=x, alpha=-0.5, beta=0.25), lambda x, y: x.clamp(-0.5, 0.25)),
    case("threshold", lambda mb, x, y: mb.threshold(x=x, alpha=0.25), lambda x, y: x.clamp(0.25)),
    case("cast-int", lambda mb, x, y: mb.cast(x=mb.mul(x=x, y=9.0), dtype="int32"), lambda x, y: (9 * x).int()),
    case("cast-bool", lambda mb, x, y: mb.cast(x=mb.relu(x=x), dtype="bool"), lambda x, y: x > 0),
    case(
        "cast-fp16",
        lambda mb, x, y: mb.cast(x=mb.cast(x=x, dtype="fp16"), dtype="fp32"),
        lambda x, y: x,  # nothing happens in mode 'exact'
    ),
]

ACTIVATIONS = [
    case("gelu-exact", lambda mb, x, y: mb.gelu(x=x, mode="EXACT"), lambda x, y: F.gelu(x)),
    case(
        "gelu-tanh",
        lambda mb, x, y: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
        lambda x, y: F.gelu(x, approximate="tanh"),
    ),
    case(
        "gelu-sigmoid",
        lambda mb, x, y: mb.gelu(x=x, mode="SIGMOID_APPROXIMATION"),
        lambda x, y: x * torch.sigmoid(1.702 * x),
    ),
    case("softmax", lambda mb, x, y: mb.softmax(x=x, axis=1), lambda x, y: x.softmax(1)),
    unary("relu", torch.relu),
    unary("sigmoid", torch.sigmoid),
    unary("silu", F.silu),
    unary("softsign", F.softsign),
    unary("softplus", F.softplus),
    case("relu6", lambda mb, x, y: mb.relu6(x=mb.mul(x=x, y=9.0)), lambda x, y: F.relu6(9 * x)),
    case("leaky_relu", lambda mb, x, y: mb.leaky_relu(x=x, alpha=0.1), lambda x, y: F.leaky_relu(x, 0.1)),
    case("prelu", lambda mb, x, y: mb.prelu(x=x, alpha=C), lambda x, y: F.prelu(x, t(C))),
    case("elu", lambda mb, x, y: mb.elu(x=x, alpha=0.7), lambda x, y: F.elu(x, 0.7)),
    case(
        "clamped_relu",
        lambda mb, x, y: mb.clamped_relu(x=x, alpha=0.1, beta=0.5),
        lambda x, y: F.leaky_relu(x, 0.1).clamp(max=0.5),
    ),
    case(
        "thresholded_relu",
        lambda mb, x, y: mb.thresholded_relu(x=x, alpha=0.5),
        lambda x, y: F.threshold(x, 0.5, 0.0),
    ),
    case(
        "sigmoid_hard",
        lambda mb, x, y: mb.sigmoid_hard(x=x, alpha=0.2, beta=0.5),
        lambda x, y: (0.2 * x + 0.5).clamp(0, 1),
    ),
    case(
        "softplus_parametric",
        lambda mb, x, y: mb.softplus_parametric(x=x, alpha=C, beta=POSITIVE),
        lambda x, y: t(C)[:, None, None] * torch.log1p(torch.exp(t(POSITIVE)[:, None, None] * x)),
    ),
    case(
        "linear_activation",
        lambda mb, x, y: mb.linear_activation(x=x, alpha=2.0, beta=3.0),
        lambda x, y: 2 * x + 3,
    ),
    case(
        "scaled_tanh",
        lambda mb, x, y: mb.scaled_tanh(x=x, alpha=2.0, beta=3.0),
        lambda x, y: 2 * torch.tanh(3 * x),
    ),
]

LINEAR = [
    case(
        "linear",
        lambda mb, x, y: mb.linear(x=mb.reshape(x=x, shape=[2, -1, 8]), weight=W, bias=B),
        lambda x, y: F.linear(x.reshape(2, -1, 8), t(W), t(B)),
    ),
    case("matmul", lambda mb, x, y: mb.matmul(x=x, y=y, transpose_y=True), lambda x, y: x @ y.mT),
    case("matmul-x", lambda mb, x, y: mb.matmul(x=x, y=y, transpose_x=True), lambda x, y: x.mT @ y),
    case(
        "einsum",
        lambda mb, x, y: mb.einsum(values=(x, mb.transpose(x=y, perm=[0, 3, 2, 1])), equation="nchw,nwhu->nchu"),
        lambda x, y: torch.einsum("nchw,nuhw->nchu", x, y),
    ),
    case(
        "scaled_dot_product_attention",
        lambda mb, x, y: mb.scaled_dot_product_attention(query=x, key=y, value=y),
        lambda x, y: (x @ y.mT / 8**0.5).softmax(-1) @ y,
    ),
    case(
        "scaled_dot_product_attention-mask",
        lambda mb, x, y: mb.scaled_dot_product_attention(query=x, key=y, value=y, attn_mask=np.tri(6, dtype=bool)),
        lambda x, y: (x @ y.mT / 8**0.5).masked_fill(~torch.ones(6, 6).tril().bool(), -torch.inf).softmax(-1) @ y,
    ),
    case("conv", lambda mb, x, y: mb.conv(x=x, weight=K, bias=KB), lambda x, y: F.conv2d(x, t(K), t(KB))),
    case(
        "conv-strided",
        lambda mb, x, y: mb.conv(x=x, weight=K, strides=[2, 1], pad_type="custom", pad=[1, 1, 2, 2]),
        lambda x, y: F.conv2d(x, t(K), stride=(2, 1), padding=(1, 2)),
    ),
    case(
        "conv-uneven",
        lambda mb, x, y: mb.conv(x=x, weight=K, pad_type="custom", pad=[0, 1, 2, 0], dilations=[2, 2]),
        lambda x, y: F.conv2d(F.pad(x, (2, 0, 0, 1)), t(K), dilation=2),
    ),
    case(
        "conv-same",
        lambda mb, x, y: mb.conv(x=x, weight=K1, groups=4, pad_type="same"),
        lambda x, y: F.conv2d(F.pad(x, (0, 1, 0, 1)), t(K1), groups=4),
    ),
    case(
        "conv-same_lower",
        lambda mb, x, y: mb.conv(x=x, weight=K1, groups=4, pad_type="same_lower"),
        lambda x, y: F.conv2d(F.pad(x, (1, 0, 1, 0)), t(K1), groups=4),
    ),
    case(
        "conv-1d",
        lambda mb, x, y: mb.conv(x=mb.reshape(x=x, shape=[2, 4, 48]), weight=K1[:, :, 0], groups=4),
        lambda x, y: F.conv1d(x.flatten(2), t(K1[:, :, 0].copy()), groups=4),
    ),
    case(
        "conv_transpose",
        lambda mb, x, y: mb.conv_transpose(
            x=x,
            weight=KT,
            bias=C[:3],
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 1, 1, 1],
            output_shape=[2, 3, 12, 16],
        ),
        lambda x, y: F.conv_transpose2d(x, t(KT), t(C[:3]), stride=2, padding=1, output_padding=1),
    ),
    case(
        "conv_transpose-same",
        lambda mb, x, y: mb.conv_transpose(x=x, weight=KT, strides=[2, 2], pad_type="same"),
        lambda x, y: F.conv_transpose2d(x, t(KT), stride=2)[..., :12, :16],
    ),
]

NORMALIZATION_AND_POOLING = [
    case(
        "layer_norm",
        lambda mb, x, y: mb.layer_norm(x=x, axes=[-1], gamma=W[0], beta=W[1], epsilon=1e-3),
        lambda x, y: F.layer_norm(x, (8,), t(W[0]), t(W[1]), 1e-3),
    ),
    case(
        "layer_norm-channels",
        lambda mb, x, y: mb.layer_norm(x=x, axes=[1], gamma=C, epsilon=1e-3),
        lambda x, y: F.layer_norm(x.movedim(1, -1), (4,), t(C), None, 1e-3).movedim(-1, 1),
    ),
    case(
        "batch_norm",
        lambda mb, x, y: mb.batch_norm(x=x, mean=C, variance=POSITIVE, gamma=C, beta=POSITIVE, epsilon=1e-3),
        lambda x, y: F.batch_norm(x, t(C), t(POSITIVE), t(C), t(POSITIVE), False, 0, 1e-3),
    ),
    case(
        "instance_norm",
        lambda mb, x, y: mb.instance_norm(x=x, gamma=C, beta=POSITIVE, epsilon=1e-3),
        lambda x, y: F.instance_norm(x, weight=t(C), bias=t(POSITIVE), eps=1e-3),
    ),
    case(
        "l2_norm",
        lambda mb, x, y: mb.l2_norm(x=x, epsilon=1e-3),
        lambda x, y: x / (x.square().flatten(1).sum(1) + 1e-3).sqrt()[:, None, None, None],
    ),
    case(
        "local_response_norm",
        lambda mb, x, y: mb.local_response_norm(x=x, size=3, alpha=0.1, beta=0.5, k=2.0),
        lambda x, y: F.local_response_norm(x, 3, 0.1, 0.5, 2.0),
    ),
    case(
        "max_pool",
        lambda mb, x, y: mb.max_pool(x=x, kernel_sizes=[3, 2], strides=[2, 2], pad_type="custom", pad=[1, 1, 1, 1]),
        lambda x, y: F.max_pool2d(x, (3, 2), 2, 1),
    ),
    case(
        "max_pool-uneven",
        lambda mb, x, y: mb.max_pool(x=x, kernel_sizes=[2, 2], pad_type="same"),
        lambda x, y: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 2, 1),
    ),
    case(
        "avg_pool",
        lambda mb, x, y: mb.avg_pool(
            x=x, kernel_sizes=[3, 3], strides=[2, 2], pad_type="custom", pad=[1, 1, 1, 1], ceil_mode=True
        ),
        lambda x, y: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    ),
    case(
        "avg_pool-excluding",
        lambda mb, x, y: mb.avg_pool(x=x, kernel_sizes=[2, 2], pad_type="same", exclude_padding_from_average=True),
        lambda x, y: (
            F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 2, 1) / F.avg_pool2d(F.pad(torch.ones_like(x), (0, 1, 0, 1)), 2, 1)
        ),
    ),
    case(
        "l2_pool",
        lambda mb, x, y: mb.l2_pool(x=x, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid"),
        lambda x, y: F.lp_pool2d(x, 2, 2),
    ),
]

REDUCTIONS = [
    reduced("reduce_l1_norm", lambda x: x.sum((1, 3), True)),
    reduced("reduce_l2_norm", lambda x: x.square().sum((1, 3), True).sqrt()),
    reduced("reduce_log_sum", lambda x: x.sum((1, 3), True).log()),
    reduced("reduce_log_sum_exp", lambda x: x.logsumexp((1, 3), True)),
    reduced("reduce_max", lambda x: x.amax((1, 3), True)),
    reduced("reduce_mean", lambda x: x.mean((1, 3), True)),
    reduced("reduce_min", lambda x: x.amin((1, 3), True)),
    reduced("reduce_prod", lambda x: x.prod(3, True).prod(1, True)),
    reduced("reduce_sum", lambda x: x.sum((1, 3), True)),
    reduced("reduce_sum_square", lambda x: x.square().sum((1, 3), True)),
    case("reduce_argmax", lambda mb, x, y: mb.reduce_argmax(x=x, axis=2), lambda x, y: x.argmax(2)),
    case(
        "reduce_argmin",
        lambda mb, x, y: mb.reduce_argmin(x=x, axis=-1, keep_dims=True),
        lambda x, y: x.argmin(-1, True),
    ),
]

SHAPES = [
    case("reshape", lambda mb, x, y: mb.reshape(x=x, shape=[-1, 0, 0]), lambda x, y: x.reshape(8, 6, 8)),
    case("flatten2d", lambda mb, x, y: mb.flatten2d(x=x, axis=2), lambda x, y: x.reshape(8, 48)),
    case(
        "squeeze",
        lambda mb, x, y: mb.squeeze(x=mb.slice_by_size(x=x, begin=[0, 0, 0, 0], size=[1, 4, 1, 8]), axes=[0, -2]),
        lambda x, y: x[0, :, 0],
    ),
    case("expand_dims", lambda mb, x, y: mb.expand_dims(x=x, axes=[-1]), lambda x, y: x[..., None]),
    case(
        "transpose",
        lambda mb, x, y: mb.transpose(x=x, perm=[0, 2, -1, 1]),
        lambda x, y: x.permute(0, 2, 3, 1),
    ),
    case("concat", lambda mb, x, y: mb.concat(values=(x, y, x), axis=-1), lambda x, y: torch.cat([x, y, x], -1)),
    case(
        "concat-interleave",
        lambda mb, x, y: mb.concat(values=(x, y), axis=1, interleave=True),
        lambda x, y: torch.stack([x, y], 2).flatten(1, 2),
    ),
    case("stack", lambda mb, x, y: mb.stack(values=(x, y), axis=1), lambda x, y: torch.stack([x, y], 1)),
    case("split", lambda mb, x, y: mb.split(x=x, num_splits=4, axis=-1)[1], lambda x, y: x[..., 2:4]),
    case("split-sizes", lambda mb, x, y: mb.split(x=x, split_sizes=[1, 5], axis=2)[1], lambda x, y: x[:, :, 1:]),
    case(
        "slice_by_index",
        lambda mb, x, y: mb.slice_by_index(
            x=x,
            begin=[1, 0, 5, 1],
            end=[0, 3, 0, -1],
            stride=[1, 2, -2, 3],
            begin_mask=[False, True, False, False],
            end_mask=[False, False, True, False],
            squeeze_mask=[True, False, False, False],
        ),
        lambda x, y: t(x.numpy()[1, :3:2, 5::-2, 1:-1:3].copy()),
    ),
    case(
        "slice_by_size",
        lambda mb, x, y: mb.slice_by_size(x=x, begin=[0, 1, 2, 0], size=[-1, 2, 3, 8]),
        lambda x, y: x[:, 1:3, 2:5],
    ),
    case(
        "slice_update",
        lambda mb, x, y: mb.slice_update(
            x=x,
            update=mb.slice_by_size(x=y, begin=[0, 0, 0, 0], size=[2, 4, 3, 8]),
            begin=[0, 0, 0, 0],
            end=[2, 4, 6, 8],
            stride=[1, 1, 2, 1],
        ),
        lambda x, y: torch.stack([y[:, :, :3], x[:, :, 1::2]], 3).flatten(2, 3),
    ),
    case(
        "crop",
        lambda mb, x, y: mb.crop(x=x, crop_height=[1, 2], crop_width=[0, 3]),
        lambda x, y: x[..., 1:4, :5],
    ),
    case(
        "pad",
        lambda mb, x, y: mb.pad(x=x, pad=[1, 0, 2, 3], constant_val=0.5),
        lambda x, y: F.pad(x, (2, 3, 1, 0), value=0.5),
    ),
    case(
        "pad-reflect",
        lambda mb, x, y: mb.pad(x=x, pad=[1, 0, 2, 3], mode="reflect"),
        lambda x, y: F.pad(x, (2, 3, 1, 0), mode="reflect"),
    ),
    case(
        "pad-replicate",
        lambda mb, x, y: mb.pad(x=x, pad=[1, 0, 2, 3], mode="replicate"),
        lambda x, y: F.pad(x, (2, 3, 1, 0), mode="replicate"),
    ),
    case(
        "space_to_batch",
        lambda mb, x, y: mb.space_to_batch(x=x, block_shape=[2, 3], paddings=[[1, 1], [0, 1]]),
        lambda x, y: torch.cat([F.pad(x, (0, 1, 1, 1))[:, :, i::2, j::3] for i in range(2) for j in range(3)]),
    ),
    case(
        "batch_to_space",
        lambda mb, x, y: mb.batch_to_space(x=x, block_shape=[2, 1], crops=[[1, 0], [2, 1]]),
        lambda x, y: torch.stack([x[0], x[1]], 2).reshape(1, 4, 12, 8)[:, :, 1:, 2:-1],
    ),
    case(
        "reverse_sequence",
        lambda mb, x, y: mb.reverse_sequence(x=x, lengths=[2, 3, 0, 6], seq_axis=2, batch_axis=1),
        lambda x, y: torch.stack(
            [torch.cat([x[:, i, :n].flip(1), x[:, i, n:]], 1) for i, n in enumerate((2, 3, 0, 6))], 1
        ),
    ),
    case("tile", lambda mb, x, y: mb.tile(x=x, reps=[1, 2, 1, 3]), lambda x, y: x.repeat(1, 2, 1, 3)),
    case("reverse", lambda mb, x, y: mb.reverse(x=x, axes=[1, -1]), lambda x, y: x.flip(1, 3)),
    case(
        "sliding_windows",
        lambda mb, x, y: mb.sliding_windows(x=x, axis=2, size=3, stride=2),
        lambda x, y: x.unfold(2, 3, 2).permute(0, 1, 2, 4, 3),
    ),
    case(
        "pixel_shuffle",
        lambda mb, x, y: mb.pixel_shuffle(x=x, upscale_factor=2),
        lambda x, y: F.pixel_shuffle(x, 2),
    ),
    case(
        "pixel_unshuffle",
        lambda mb, x, y: mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(2)),
        lambda x, y: F.pixel_unshuffle(x, 2),
    ),
    case(
        "space_to_depth",
        lambda mb, x, y: mb.space_to_depth(x=x, block_size=2),
        lambda x, y: torch.cat([x[:, :, i::2, j::2] for i in range(2) for j in range(2)], 1),
    ),
    case(
        "depth_to_space",
        lambda mb, x, y: mb.depth_to_space(x=mb.space_to_depth(x=x, block_size=2), block_size=2),
        lambda x, y: x,
    ),
    case("shape", lambda mb, x, y: mb.add(x=mb.shape(x=x), y=np.int32(1)), lambda x, y: torch.tensor(SHAPE) + 1),
]


UPDATES: dict[str, Reference] = {
    "update": lambda a, b: b,
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "max": torch.maximum,
    "min": torch.minimum,
}
"""What each mode of scattering makes of a value and its update."""


def scatter(mode: str, reference: Reference) -> ParameterSet:
    return case(
        f"scatter-{mode}",
        lambda mb, x, y: mb.scatter(
            data=x,
            indices=np.array([3, 1], np.int32),
            updates=mb.slice_by_size(x=y, begin=[0, 0, 0, 0], size=[2, 2, 6, 8]),
            axis=1,
            mode=mode,
        ),
        lambda x, y: torch.stack([x[:, 0], reference(x[:, 1], y[:, 1]), x[:, 2], reference(x[:, 3], y[:, 0])], 1),
    )


TENSORS = [
    case("cumsum", lambda mb, x, y: mb.cumsum(x=x, axis=2), lambda x, y: x.cumsum(2)),
    case(
        "cumsum-reverse",
        lambda mb, x, y: mb.cumsum(x=x, axis=2, exclusive=True, reverse=True),
        lambda x, y: x.flip(2).cumsum(2).flip(2) - x,
    ),
    case(
        "band_part",
        lambda mb, x, y: mb.band_part(x=x, lower=1, upper=2),
        lambda x, y: x.tril(2).triu(-1),
    ),
    case("argsort", lambda mb, x, y: mb.argsort(x=x, axis=1), lambda x, y: x.argsort(1, descending=True)),
    case("topk", lambda mb, x, y: mb.topk(x=x, k=3, axis=-1)[0], lambda x, y: x.topk(3).values),
    case(
        "topk-indices",
        lambda mb, x, y: mb.topk(x=x, k=3, axis=1, ascending=True)[1],
        lambda x, y: x.topk(3, 1, largest=False).indices,
    ),
    case("fill", lambda mb, x, y: mb.add(x=x, y=mb.fill(shape=[6, 8], value=2.5)), lambda x, y: x + 2.5),
    case(
        "fill_like",
        lambda mb, x, y: mb.fill_like(ref_tensor=x, value=2.5),
        lambda x, y: torch.full_like(x, 2.5),
    ),
    case(
        "range_1d",
        lambda mb, x, y: mb.add(x=x, y=mb.range_1d(start=1.0, end=9.0, step=1.0)),
        lambda x, y: x + torch.arange(1, 9),
    ),
    case(
        "one_hot",
        lambda mb, x, y: mb.one_hot(
            indices=mb.reduce_argmax(x=x, axis=-1), one_hot_vector_size=8, on_value=2.0, off_value=-1.0
        ),
        lambda x, y: 3.0 * F.one_hot(x.argmax(-1), 8) - 1,
    ),
    case("gather", lambda mb, x, y: mb.gather(x=x, indices=IDX, axis=1), lambda x, y: x[:, [3, 0, 2]]),
    case("gather-scalar", lambda mb, x, y: mb.gather(x=x, indices=np.int32(2), axis=2), lambda x, y: x[:, :, 2]),
    case(
        "gather-batch",
        lambda mb, x, y: mb.gather(x=x, indices=np.array([[0, 1], [3, 2]], np.int32), axis=1, batch_dims=1),
        lambda x, y: torch.stack([x[0, [0, 1]], x[1, [3, 2]]]),
    ),
    case(
        "gather_along_axis",
        lambda mb, x, y: mb.gather_along_axis(x=x, indices=IDX_SAME, axis=3),
        lambda x, y: x.gather(3, t(IDX_SAME).long()),
    ),
    case("gather_nd", lambda mb, x, y: mb.gather_nd(x=x, indices=IDX_ND), lambda x, y: x[[0, 1, 1], [1, 3, 0]]),
    case(
        "gather_nd-batch",
        lambda mb, x, y: mb.gather_nd(x=x, indices=IDX_ND[:2, :, None], batch_dims=1),
        lambda x, y: torch.stack([x[0, [0, 1]], x[1, [1, 3]]]),
    ),
    *(scatter(mode, reference) for mode, reference in UPDATES.items()),
    case(
        "scatter_along_axis",
        lambda mb, x, y: mb.scatter_along_axis(data=x, indices=IDX_SAME, updates=y, axis=3, mode="add"),
        lambda x, y: x.scatter_add(3, t(IDX_SAME).long(), y),
    ),
    case(
        "scatter_nd",
        lambda mb, x, y: mb.scatter_nd(
            data=x,
            indices=IDX_ND,
            updates=mb.gather_nd(x=y, indices=IDX_ND),
            mode="update",
        ),
        lambda x, y: x.index_put((torch.tensor([0, 1, 1]), torch.tensor([1, 3, 0])), y[[0, 1, 1], [1, 3, 0]]),
    ),
]


def upsample_bilinear(align: bool) -> ParameterSet:
    return case(
        f"upsample_bilinear-{align}",
        lambda mb, x, y: mb.upsample_bilinear(
            x=x, scale_factor_height=2.0, scale_factor_width=1.5, align_corners=align
        ),
        lambda x, y: F.interpolate(x, (12, 12), mode="bilinear", align_corners=align),
    )


RESIZING = [
    *(upsample_bilinear(align) for align in (True, False)),
    case(
        "resize_bilinear",
        lambda mb, x, y: mb.resize_bilinear(
            x=x, target_size_height=9, target_size_width=5, sampling_mode="UNALIGN_CORNERS"
        ),
        lambda x, y: F.interpolate(x, (9, 5), mode="bilinear"),
    ),
    case(
        "resize",
        lambda mb, x, y: mb.resize(x=x, shape=[9, 0], resized_dims=np.uint32(2), sampling_mode="STRICT_ALIGN_CORNERS"),
        lambda x, y: F.interpolate(x, (9, 8), mode="bilinear", align_corners=True),
    ),
    case(
        "resize_nearest_neighbor",
        lambda mb, x, y: mb.resize_nearest_neighbor(x=x, target_size_height=9, target_size_width=5),
        lambda x, y: F.interpolate(x, (9, 5), mode="nearest"),
    ),
    case(
        "upsample_nearest_neighbor",
        lambda mb, x, y: mb.upsample_nearest_neighbor(x=x, scale_factor_height=2, scale_factor_width=3),
        lambda x, y: F.interpolate(x, scale_factor=(2.0, 3.0), mode="nearest"),
    ),
]

SCALES = np.abs(weight(1, 4, 1, 2)) + 0.1
OFFSETS = RNG.integers(-5, 5, (1, 4, 1, 2)).astype(np.int8)
BLOCK_LUT = weight(2, 1, 256, 1)
VECTOR_LUT = weight(1, 1, 256, 3)


def places(y: Tensor) -> Tensor:
    """Coordinates [2, 48, 2, 2] inside of an image and outside of it."""
    return y.reshape(2, 48, 2, 2)


def resample(name: str, mode: str, padding: str, coordinates: str, align: bool, reference: Reference) -> ParameterSet:
    return case(
        name,
        lambda mb, x, y: mb.resample(
            x=x,
            coordinates=mb.reshape(x=y, shape=[2, 48, 2, 2]),
            sampling_mode=mode,
            padding_mode=padding,
            padding_value=0.0,
            coordinates_mode=coordinates,
            align_corners=align,
        ),
        reference,
    )


def grid_sample(x: Tensor, grid: Tensor, padding: str, align: bool, mode: str = "bilinear") -> Tensor:
    return F.grid_sample(x, grid, mode=mode, padding_mode=padding, align_corners=align)


MATRIX = np.array([[0.8, -0.2, 0.1, 0.3, 1.2, -0.1], [1, 0, 0, 0, 1, 0]], np.float32)
CORNERS = np.array([[1, 2, 4, 6], [4, 5, 0, 1]], np.float32)

SAMPLING = [
    resample(
        "resample",
        "bilinear",
        "constant",
        "normalized_minus_one_to_one",
        True,
        lambda x, y: grid_sample(x, places(y), "zeros", True),
    ),
    resample(
        "resample-edges",
        "bilinear",
        "border",
        "normalized_minus_one_to_one",
        False,
        lambda x, y: grid_sample(x, places(y), "border", False),
    ),
    resample(
        "resample-reflection",
        "bilinear",
        "reflection",
        "normalized_zero_to_one",
        True,
        lambda x, y: grid_sample(x, places(y) * 2 - 1, "reflection", True),
    ),
    resample(
        "resample-symmetric",
        "bilinear",
        "symmetric",
        "normalized_minus_one_to_one",
        False,
        lambda x, y: grid_sample(x, places(y), "reflection", False),
    ),
    resample(
        "resample-nearest",
        "nearest",
        "constant",
        "unnormalized",
        True,
        lambda x, y: grid_sample(x, places(y) / torch.tensor([7, 5]) * 2 - 1, "zeros", True, "nearest"),
    ),
    case(
        "affine",
        lambda mb, x, y: mb.affine(
            x=x,
            transform_matrix=MATRIX,
            output_height=5,
            output_width=9,
            sampling_mode="bilinear",
            padding_mode="constant",
            padding_value=0.0,
            coordinates_mode="normalized_minus_one_to_one",
            align_corners=True,
        ),
        lambda x, y: grid_sample(
            x, F.affine_grid(t(MATRIX).reshape(2, 2, 3), [2, 4, 5, 9], align_corners=True), "zeros", True
        ),
    ),
    case(
        "crop_resize",
        lambda mb, x, y: mb.crop_resize(
            x=x, boxes=CORNERS, target_height=5, target_width=3, sampling_mode="ALIGN_CORNERS"
        ),
        lambda x, y: torch.cat(
            [
                F.interpolate(x[:1, :, 1:5, 2:7], (5, 3), mode="bilinear", align_corners=True),
                F.interpolate(x[1:, :, 0:5, 1:6], (5, 3), mode="bilinear", align_corners=True).flip(2, 3),
            ]
        ),
    ),
    case(
        "crop_resize-center",
        lambda mb, x, y: mb.crop_resize(
            x=x,
            boxes=np.array([[4, 3, 4, 2]], np.float32),  # columns 2 to 6 and rows 2 to 4
            box_indices=np.array([1], np.int32),
            target_height=3,
            target_width=5,
            box_coordinate_mode="CENTER_SIZE_WIDTH_FIRST",
            sampling_mode="STRICT_ALIGN_CORNERS",
        ),
        lambda x, y: x[1:, :, 2:5, 2:7],
    ),
    case(
        "crop_resize-outside",
        lambda mb, x, y: mb.crop_resize(
            x=x,
            boxes=np.array([[-1, -1, 1, 1]], np.float32),
            target_height=3,
            target_width=3,
            sampling_mode="ALIGN_CORNERS",
            pad_value=7.0,
        ),
        lambda x, y: F.pad(x[:1, :, :2, :2], (1, 0, 1, 0), value=7.0),
    ),
]

CONTROL = [
    case(
        "cond",
        lambda mb, x, y: mb.cond(
            pred=mb.greater(x=mb.reduce_sum(x=x, axes=[0, 1, 2, 3], keep_dims=False), y=1e9),
            _true_fn=lambda: mb.exp(x=x),
            _false_fn=lambda: mb.sub(x=y, y=x),
        ),
        lambda x, y: y - x,
    ),
    case(
        "while_loop",
        lambda mb, x, y: mb.while_loop(
            _cond=lambda i, v: mb.less(x=i, y=3.0),
            _body=lambda i, v: (mb.add(x=i, y=1.0), mb.mul(x=v, y=0.5)),
            loop_vars=(mb.mul(x=mb.reduce_sum(x=x, axes=[0, 1, 2, 3], keep_dims=False), y=0.0), x),
        )[1],
        lambda x, y: x / 8,
    ),
]

COMPRESSION = [
    case(
        "constexpr_blockwise_shift_scale",
        lambda mb, x, y: mb.mul(x=x, y=mb.constexpr_blockwise_shift_scale(data=Q8, scale=SCALES, offset=OFFSETS)),
        lambda x, y: x * t((Q8.astype(np.float32) - OFFSETS.repeat(4, 3)) * SCALES.repeat(4, 3)),
    ),
    case(
        "constexpr_lut_to_dense",
        lambda mb, x, y: mb.add(x=mb.reduce_sum(x=x), y=mb.constexpr_lut_to_dense(indices=U8, lut=BLOCK_LUT)),
        lambda x, y: x.sum() + t(np.stack([BLOCK_LUT[i // 2, 0, U8[i], 0] for i in range(4)])),
    ),
    case(
        "constexpr_lut_to_dense-vector",
        lambda mb, x, y: mb.add(
            x=mb.reduce_sum(x=x),
            y=mb.constexpr_lut_to_dense(indices=U8, lut=VECTOR_LUT, vector_axis=np.int32(0)),
        ),
        lambda x, y: x.sum() + t(VECTOR_LUT[0, 0][U8].transpose(0, 2, 1).reshape(12, 8).copy()),
    ),
    case(
        "quantize",
        lambda mb, x, y: mb.dequantize(
            input=mb.quantize(input=x, scale=0.05, zero_point=np.int8(3), output_dtype="int8"),
            scale=0.05,
            zero_point=np.int8(3),
        ),
        lambda x, y: 0.05 * ((torch.round(x / 0.05) + 3).clamp(-128, 127) - 3),
    ),
]

CASES = [
    *ELEMENTWISE,
    *ACTIVATIONS,
    *LINEAR,
    *NORMALIZATION_AND_POOLING,
    *REDUCTIONS,
    *SHAPES,
    *TENSORS,
    *RESIZING,
    *SAMPLING,
    *CONTROL,
    *COMPRESSION,
]


@pytest.fixture(scope="module")
def evaluated(save_program: Callable[..., Path], mb: Any, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:

    def build(x: Any, y: Any) -> Any:
        outputs = []
        for case_ in CASES:
            name, make, _, _ = cast(tuple[str, Build, Reference, str], case_.values)
            out = make(mb, x, y)
            if out.is_tensor_or_scalar_of(dtype="bool"):
                outputs.append(mb.cast(x=out, dtype="int32", name=_output(name)))
            else:
                outputs.append(mb.identity(x=out, name=_output(name)))
        return tuple(outputs)

    path = tmp_path_factory.mktemp("operators") / "all.mlpackage"
    program = load(save_program(build, {"x": SHAPE, "y": SHAPE}, path))
    x, y = weight(*SHAPE), weight(*SHAPE)
    ran: set[str] = set()
    outputs = program.predict({"x": x, "y": y}, trace=lambda name, op_type, value: ran.add(op_type))
    return t(x), t(y), outputs, ran, path


def _output(name: str) -> str:
    return f"out_{name.replace('-', '_')}"


@pytest.mark.parametrize(("name", "build", "reference", "operator"), CASES)
def test_operator_computes_its_definition(
    evaluated: Evaluated, name: str, build: Build, reference: Reference, operator: str
) -> None:
    x, y, outputs, ran, _ = evaluated
    expected = torch.as_tensor(reference(x, y)).numpy()
    actual = outputs[_output(name)]
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)
    assert operator in ran or operator.startswith("constexpr_")


def test_every_operator_is_in_the_table() -> None:
    """Except those of older opsets, which have tests of their own."""
    tested = {case_.values[3] for case_ in CASES} | {"identity", "dequantize", "classify"}
    older = {"constexpr_cast", "constexpr_affine_dequantize", "constexpr_sparse_to_dense"}
    older |= {"constexpr_lut_to_sparse", "constexpr_sparse_blockwise_shift_scale"}
    assert set(OPERATORS) - tested == older | {"non_zero", "reshape_like"}


def test_predicting_twice_gives_identical_bits(evaluated: Evaluated) -> None:
    x, y, outputs, _, path = evaluated
    again = load(path).predict({"x": x.numpy(), "y": y.numpy()})
    for name, value in outputs.items():
        np.testing.assert_array_equal(again[name], value)


def test_operators_said_to_move_values_make_none(evaluated: Evaluated) -> None:
    """Their outputs are not rounded, so each value must be an input's, or 0, 6 or infinite."""
    x, y, _, _, path = evaluated
    package = Package(path)
    graph = GraphReader(package).read(package.specification().mlProgram.functions["main"])
    values: dict[str, Any] = {**graph.constants, "x": x, "y": y}
    load(path).predict(
        {"x": x.numpy(), "y": y.numpy()}, trace=lambda name, op_type, value: values.update({name: value})
    )
    checked = set()
    for operation in graph.block.operations:
        if operation.operator.moves and not operation.folds:
            inputs = [values[name] for name in operation.reads if isinstance(values.get(name), Tensor)]
            known = torch.cat([value.flatten().double() for value in inputs] + [torch.tensor([0, 6, -torch.inf])])
            for output in operation.outputs:
                assert torch.isin(values[output.name].double(), known).all(), operation.type
            checked.add(operation.type)
    movers = {name for name, operator in OPERATORS.items() if operator.moves and not name.startswith("constexpr_")}
    assert movers - checked == {"reshape_like"}


@pytest.mark.parametrize("index", [-1, 4])
def test_an_index_outside_of_its_axis_is_refused_since_ios_17(index: int) -> None:
    x = torch.arange(4.0)
    assert gather(x, torch.tensor([-1])).tolist() == [3]  # iOS 15 and 16
    for validate, reason in ((True, "said to be"), (False, "undefined")):
        with pytest.raises(ValueError, match=reason):
            gather(x, torch.tensor([index]), validate_indices=torch.tensor(validate))


def test_the_nearest_of_two_that_are_as_near_is_left_open() -> None:
    x = torch.tensor([[0.0, 1.0]])
    assert resize(x, torch.tensor([3]), torch.tensor(1), "NEAREST_NEIGHBOR").tolist() == [[0, 1, 1]]
    with pytest.raises(ValueError, match="halfway between two"):
        resize(x, torch.tensor([4]), torch.tensor(1), "NEAREST_NEIGHBOR")
