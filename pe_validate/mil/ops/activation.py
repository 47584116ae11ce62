"""Activations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil.ops.registry import choice, integer, number, op


def _per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    """Reshape ``[channels]`` to broadcast along axis 1 of ``x``."""
    return parameter.reshape(1, -1, *(1,) * (x.dim() - 2))


@op("gelu")
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """Apply the Gaussian error linear unit, exact or in one of its two approximations."""
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    approximate = choice("mode", mode, {"EXACT": "none", "TANH_APPROXIMATION": "tanh"})
    return F.gelu(x, approximate=approximate)


@op("softmax")
def softmax(x: Tensor, axis: Tensor | None = None) -> Tensor:
    """Apply softmax along one axis, the last by default."""
    return torch.softmax(x, integer(axis, -1))


@op("relu", moves=True)
def relu(x: Tensor) -> Tensor:
    """Return ``max(x, 0)``."""
    return torch.relu(x)


@op("relu6", moves=True)
def relu6(x: Tensor) -> Tensor:
    """Return ``min(max(x, 0), 6)``."""
    return F.relu6(x)


@op("leaky_relu")
def leaky_relu(x: Tensor, alpha: Tensor) -> Tensor:
    """Return ``x``, multiplied by ``alpha`` where it is negative."""
    return torch.where(x >= 0, x, x * alpha)


@op("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """Return ``x``, multiplied by the channel's ``alpha`` where it is negative."""
    return torch.where(x > 0, x, x * _per_channel(alpha, x))


@op("clamped_relu")
def clamped_relu(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Return ``min(beta, x)``, or ``min(beta, alpha * x)`` where ``x`` is negative."""
    return torch.minimum(torch.where(x >= 0, x, x * alpha), beta)


@op("thresholded_relu", moves=True)
def thresholded_relu(x: Tensor, alpha: Tensor) -> Tensor:
    """Return ``x`` where it is at least ``alpha``, else 0."""
    return torch.where(x >= alpha, x, torch.zeros_like(x))


@op("elu")
def elu(x: Tensor, alpha: Tensor) -> Tensor:
    """Return ``x``, or ``alpha * (exp(x) - 1)`` where it is negative."""
    return F.elu(x, number(alpha, 1.0))


@op("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """Return ``1 / (1 + exp(-x))``."""
    return torch.sigmoid(x)


@op("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Return ``min(max(alpha * x + beta, 0), 1)``."""
    return (alpha * x + beta).clamp(0, 1)


@op("silu")
def silu(x: Tensor) -> Tensor:
    """Return ``x * sigmoid(x)``."""
    return F.silu(x)


@op("softplus")
def softplus(x: Tensor) -> Tensor:
    """Return ``log(1 + exp(x))``, without torch's switch to the identity above 20."""
    return torch.logaddexp(x, torch.zeros_like(x))


@op("softplus_parametric")
def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Return ``alpha * log(1 + exp(beta * x))``, with one pair of parameters per channel."""
    return _per_channel(alpha, x) * softplus(_per_channel(beta, x) * x)


@op("softsign")
def softsign(x: Tensor) -> Tensor:
    """Return ``x / (1 + |x|)``."""
    return F.softsign(x)


@op("linear_activation")
def linear_activation(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Return ``alpha * x + beta``."""
    return alpha * x + beta


@op("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Return ``alpha * tanh(beta * x)``."""
    return alpha * torch.tanh(beta * x)
