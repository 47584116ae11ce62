"""Normalisations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil.ops.registry import integer, integers, number, op


@op("layer_norm")
def layer_norm(
    x: Tensor,
    axes: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Tensor | None = None,
) -> Tensor:
    """Normalise to mean 0 and variance 1 over ``axes`` (all by default), then apply ``gamma`` and ``beta``."""
    normalized = sorted(axis % x.dim() for axis in integers(axes, range(x.dim())))
    order = [axis for axis in range(x.dim()) if axis not in normalized] + normalized
    moved = x.permute(order)
    shape = [x.shape[axis] for axis in normalized]
    result = F.layer_norm(moved, shape, gamma, beta, number(epsilon, 1e-5))
    return result.permute([order.index(axis) for axis in range(x.dim())])


@op("batch_norm")
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Tensor | None = None,
) -> Tensor:
    """Normalise each channel by stored statistics."""
    return F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, number(epsilon, 1e-5))


@op("instance_norm")
def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: Tensor | None = None
) -> Tensor:
    """Normalise each channel of each image over its spatial axes."""
    # F.instance_norm would refuse a single spatial element.
    variance, mean = torch.var_mean(x, dim=list(range(2, x.dim())), correction=0, keepdim=True)
    result = (x - mean) * torch.rsqrt(variance + number(epsilon, 1e-5))
    per_channel = (1, -1, *(1,) * (x.dim() - 2))
    result = result if gamma is None else result * gamma.reshape(per_channel)
    return result if beta is None else result + beta.reshape(per_channel)


@op("l2_norm")
def l2_norm(x: Tensor, epsilon: Tensor | None = None) -> Tensor:
    """Return ``x / sqrt(sum of squares + epsilon)``, summed over the last three axes."""
    return x * torch.rsqrt(x.square().sum(dim=(-3, -2, -1), keepdim=True) + number(epsilon, 1e-6))


@op("local_response_norm")
def local_response_norm(
    x: Tensor, size: Tensor, alpha: Tensor | None = None, beta: Tensor | None = None, k: Tensor | None = None
) -> Tensor:
    """Divide by a power of the mean square of neighbouring channels."""
    return F.local_response_norm(x, integer(size, 1), number(alpha, 1e-4), number(beta, 0.75), number(k, 1.0))
