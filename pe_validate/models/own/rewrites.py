"""Exact rewrites of captured programs into forms that runtimes take whole: no piece of a graph is left outside.

Each rewrite is kept only if it is proved on the spot: in float64, the rewritten program agrees with the program within
1e-9 of its largest value. Nothing here knows any particular model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final, cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from pe_validate.data.recipe import FUSED, HALF
from pe_validate.models.own.program import copy_of, replace_by_module

AGREEMENT: Final = 1e-9
"""The largest difference of a rewrite in float64, as a fraction of the largest value."""

HALF_SCALE: Final = 16.0
"""Values are divided by it before they are squared in float16; values up to 4,000 then do not overflow."""

Rewrite = Callable[[fx.GraphModule, str], None]
"""Changes a program in place, for a form."""

CONVOLUTIONS: Final = (
    torch.ops.aten.conv1d.default,
    torch.ops.aten.conv2d.default,
    torch.ops.aten.conv3d.default,
)


def rewritten(module: fx.GraphModule, form: str, probe: tuple[Tensor, ...]) -> fx.GraphModule:
    """Return a float32 copy of ``module`` with every rewrite for ``form`` that is proved on the inputs ``probe``."""
    probe = tuple(each.double() if each.is_floating_point() else each for each in probe)
    found = copy_of(module).double()
    expected = _answer(found, probe)
    if expected is None:  # it insists on float32 somewhere, so that nothing can be proved
        return copy_of(module)
    for rewrite in REWRITES:
        candidate = copy_of(found)
        rewrite(candidate, form)
        candidate.graph.eliminate_dead_code()
        candidate.recompile()
        actual = _answer(candidate, probe)
        if actual is not None and agree(expected, actual):
            found = candidate
    return found.float()


def _answer(module: fx.GraphModule, probe: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    try:
        with torch.no_grad():
            answer = module(*probe)
    except RuntimeError:  # operands of two types, so that nothing can be proved and nothing is kept
        return None
    answers: tuple[Tensor, ...] = answer if isinstance(answer, tuple) else (answer,)
    return None if any(each.dtype == torch.float32 for each in answers) else answers


def agree(expected: Tensor | tuple[Tensor, ...], actual: Tensor | tuple[Tensor, ...]) -> bool:
    """Return whether two answers are equal up to the rounding of float64, or exactly if they are integers."""
    if isinstance(expected, tuple):
        return len(expected) == len(actual) and all(map(agree, expected, actual))
    assert isinstance(actual, Tensor)
    if not expected.is_floating_point():
        return torch.equal(expected, actual)
    return bool((expected - actual).abs().max() <= AGREEMENT * expected.abs().max())


def fold_batch_norms(module: fx.GraphModule, form: str) -> None:
    """Fold batch normalisation into the convolution before it, as every converter does, before weights are rounded."""
    for node in _calls(module, torch.ops.aten.batch_norm.default):
        convolution, *stored = node.args[:5]
        if not isinstance(convolution, fx.Node) or convolution.target not in CONVOLUTIONS or len(convolution.users) > 1:
            continue
        weight, bias = (_stored(module, each) for each in (*convolution.args[1:3], None)[:2])
        gamma, beta, mean, variance = (_stored(module, each) for each in stored)
        if weight is None or mean is None or variance is None:
            continue
        scale = (variance.double() + cast(float, node.args[7])).rsqrt()
        scale = scale if gamma is None else scale * gamma.double()
        moved = ((0 if bias is None else bias.double()) - mean.double()) * scale
        moved = moved if beta is None else moved + beta.double()
        folded = weight.double() * scale.reshape(-1, *[1] * (weight.ndim - 1))
        kept = _keep(module, node, "weight", folded), _keep(module, node, "bias", moved)
        with module.graph.inserting_before(node):
            given = (convolution.args[0], *kept, *convolution.args[3:])
            merged = module.graph.call_function(convolution.target, given)
        node.replace_all_uses_with(merged)
        module.graph.erase_node(node)


def separate_layer_norms(module: fx.GraphModule, form: str) -> None:
    """Build LayerNorm over the last axis from linear layers, which XNNPACK takes into its delegate."""
    if form == FUSED:
        return
    for number, node in enumerate(_calls(module, torch.ops.aten.layer_norm.default)):
        given, shape, *rest = node.args
        gamma, beta = (_stored(module, each) for each in ([*rest, None, None])[:2])
        eps = cast(float, rest[2]) if len(rest) > 2 else 1e-5
        if len(cast("list[int]", shape)) != 1:
            continue
        norm = LinearLayerNorm(cast("list[int]", shape)[0], eps, gamma, beta, half=form == HALF)
        replace_by_module(module, node, f"layer_norm_of_linears_{number}", norm, (given,))


def flatten_attention(module: fx.GraphModule, form: str) -> None:
    """Compute attention as products of matrices in three dimensions, which XNNPACK takes into its delegate."""
    if form == FUSED:
        return
    for number, node in enumerate(_calls(module, torch.ops.aten.scaled_dot_product_attention.default)):
        options = dict(zip(("attn_mask", "dropout_p", "is_causal"), node.args[3:], strict=False)) | node.kwargs
        query = node.args[0]
        plain = not (options.get("attn_mask") or options.get("dropout_p") or options.get("is_causal"))
        if not plain or options.get("enable_gqa") or not isinstance(query, fx.Node) or query.meta["val"].ndim != 4:
            continue
        scale = options.get("scale") or 1 / math.sqrt(query.meta["val"].shape[-1])
        attention = FlatAttention(cast(float, scale))
        replace_by_module(module, node, f"flat_attention_{number}", attention, node.args[:3])


def separate_vector_norms(module: fx.GraphModule, form: str) -> None:
    """Build Euclidean norms over the last axis, as of a normalised output, from a linear layer and a square root."""
    if form == FUSED:
        return
    for number, node in enumerate(_calls(module, torch.ops.aten.linalg_vector_norm.default)):
        given, *options = node.args
        order, axes, kept = ([*options, None, None, None])[:3]
        if not isinstance(given, fx.Node) or order not in (2, 2.0) or not kept or node.kwargs:
            continue
        value = given.meta["val"]
        if axes not in ([-1], [value.ndim - 1]):
            continue
        replace_by_module(module, node, f"norm_of_linear_{number}", LinearNorm(value.shape[-1]), (given,))
    for node in _calls(module, torch.ops.aten.expand_as.default):
        if all(user.target is torch.ops.aten.div.Tensor for user in node.users):  # which broadcasts by itself
            node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]  # a node


class LinearNorm(nn.Module):
    """The Euclidean norm of vectors along the last axis, whose sum is a linear layer of one output."""

    ones: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("ones", torch.ones(1, width, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[…, 1]`` of ``[…, width]``."""
        return torch.sqrt(F.linear(x * x, self.ones))


class LinearLayerNorm(nn.Module):
    """LayerNorm over the last axis, whose averages are linear layers of one output."""

    mean: Tensor
    mean_square: Tensor
    eps: Tensor
    scale: Tensor
    gamma: Tensor
    beta: Tensor

    def __init__(self, width: int, eps: float, gamma: Tensor | None, beta: Tensor | None, *, half: bool) -> None:
        super().__init__()
        average = torch.full((1, width), 1 / width, dtype=torch.float64)
        self.affine, self.half_range = gamma is not None or beta is not None, half
        scale = HALF_SCALE if half else 1.0
        self.register_buffer("mean", average)
        self.register_buffer("scale", torch.tensor([1 / scale], dtype=torch.float64))
        self.register_buffer("mean_square", average * scale**2)
        self.register_buffer("eps", torch.tensor([eps], dtype=torch.float64))
        self.register_buffer("gamma", average.new_ones(width) if gamma is None else gamma.clone())
        self.register_buffer("beta", average.new_zeros(width) if beta is None else beta.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[…, width]``."""
        x = x - F.linear(x, self.mean)
        small = x * self.scale if self.half_range else x
        x = x * torch.rsqrt(F.linear(small * small, self.mean_square, self.eps))
        return x * self.gamma + self.beta if self.affine else x


class FlatAttention(nn.Module):
    """Attention with batch and heads in one axis."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend: ``[batch, heads, queries, dim]`` to ``[batch, heads, keys, dim]``."""
        q, k, v = (x.reshape(-1, *x.shape[2:]) for x in (query * self.scale, key, value))
        answer = torch.bmm(torch.softmax(torch.bmm(q, k.transpose(1, 2)), dim=-1), v)
        return answer.reshape(*query.shape[:3], value.shape[-1])


REWRITES: Final[tuple[Rewrite, ...]] = (
    fold_batch_norms,
    separate_layer_norms,
    separate_vector_norms,
    flatten_attention,
)


def _calls(module: fx.GraphModule, target: object) -> Iterator[fx.Node]:
    yield from [node for node in module.graph.nodes if node.op == "call_function" and node.target is target]


def _stored(module: fx.GraphModule, node: object) -> Tensor | None:
    """Return the parameter or buffer that a node reads, or None."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    where, _, name = str(node.target).rpartition(".")
    found = getattr(module.get_submodule(where), name)
    return found if isinstance(found, Tensor) else None


def _keep(module: fx.GraphModule, before: fx.Node, name: str, value: Tensor) -> fx.Node:
    """Store a tensor in the module, and return a node that reads it."""
    called = f"{before.name}_{name}"
    module.register_buffer(called, value.contiguous())
    with module.graph.inserting_before(before):
        return module.graph.get_attr(called)
