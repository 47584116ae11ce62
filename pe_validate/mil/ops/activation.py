"""Activations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil.ops.registry import choice, integer, number, op


def _per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    """``[channels]`` shaped to broadcast along axis 1 of ``x``."""
    return parameter.reshape(1, -1, *(1,) * (x.dim() - 2))


@op("gelu")
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """Gaussian error linear unit, exact or one of its two approximations."""
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    approximate = choice("mode", mode, {"EXACT": "none", "TANH_APPROXIMATION": "tanh"})
    return F.gelu(x, approximate=approximate)


@op("softmax")
def softmax(x: Tensor, axis: Tensor | None = None) -> Tensor:
    """Softmax along one axis, the last by default."""
    return torch.softmax(x, integer(axis, -1))


@op("relu", moves=True)
def relu(x: Tensor) -> Tensor:
    """``max(x, 0)``."""
    return torch.relu(x)


@op("relu6", moves=True)
def relu6(x: Tensor) -> Tensor:
    """``min(max(x, 0), 6)``."""
    return F.relu6(x)


@op("leaky_relu")
def leaky_relu(x: Tensor, alpha: Tensor) -> Tensor:
    """``x``, times ``alpha`` where negative."""
    return torch.where(x >= 0, x, x * alpha)


@op("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """``x``, times the channel's ``alpha`` where negative."""
    return torch.where(x > 0, x, x * _per_channel(alpha, x))


@op("clamped_relu")
def clamped_relu(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """``min(beta, x)``, or ``min(beta, alpha * x)`` where negative."""
    return torch.minimum(torch.where(x >= 0, x, x * alpha), beta)


@op("thresholded_relu", moves=True)
def thresholded_relu(x: Tensor, alpha: Tensor) -> Tensor:
    """``x`` where at least ``alpha``, else 0."""
    return torch.where(x >= alpha, x, torch.zeros_like(x))


@op("elu")
def elu(x: Tensor, alpha: Tensor) -> Tensor:
    """``x``, or ``alpha * (exp(x) - 1)`` where negative."""
    return F.elu(x, number(alpha, 1.0))


@op("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return torch.sigmoid(x)


@op("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """``min(max(alpha * x + beta, 0), 1)``."""
    return (alpha * x + beta).clamp(0, 1)


@op("silu")
def silu(x: Tensor) -> Tensor:
    """``x * sigmoid(x)``."""
    return F.silu(x)


@op("softplus")
def softplus(x: Tensor) -> Tensor:
    """``log(1 + exp(x))``, without torch's switch to the identity above 20."""
    return torch.logaddexp(x, torch.zeros_like(x))


@op("softplus_parametric")
def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """``alpha * log(1 + exp(beta * x))``, with one pair for each channel."""
    return _per_channel(alpha, x) * softplus(_per_channel(beta, x) * x)


@op("softsign")
def softsign(x: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return F.softsign(x)


@op("linear_activation")
def linear_activation(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """``alpha * x + beta``."""
    return alpha * x + beta


@op("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """``alpha * tanh(beta * x)``."""
    return alpha * torch.tanh(beta * x)
