"""Checkpoints that are not what they were when they were trained."""

from __future__ import annotations

from typing import Any

import torch
from planting import MODEL, fault
from torch import Tensor, nn
from torch.nn import functional as F
from towers import load_tower

from pe_validate.models.perception_encoder.vision.tower import AttentionPool, ResidualBlock, VisionTower


def block(tower: VisionTower, number: int) -> ResidualBlock:
    found = tower.transformer.resblocks[number]
    assert isinstance(found, ResidualBlock)
    return found


def pool(tower: VisionTower) -> AttentionPool:
    assert tower.attn_pool is not None
    return tower.attn_pool


def stranger() -> VisionTower:
    """The same model from another checkpoint."""
    return load_tower(MODEL, "seed:8")


def swap_queries_and_keys(attention: Any) -> None:
    for joint in (attention.in_proj_weight, attention.in_proj_bias):
        q, k, v = joint.clone().chunk(3)
        joint.copy_(torch.cat([k, q, v]))


@fault("weights", "block 3 attention")
def queries_and_keys_swapped(tower: VisionTower) -> None:
    """The first two thirds of a joint projection were taken for keys and queries."""
    swap_queries_and_keys(block(tower, 3).attn)


@fault("weights", "block 3 attention")
def joint_projection_split_by_heads(tower: VisionTower) -> None:
    """A joint projection in [heads, 3, head_dim] order was read as [3, heads, head_dim]."""
    weight = block(tower, 3).attn.in_proj_weight
    heads = tower.config.heads
    weight.copy_(weight.view(3, heads, -1, weight.shape[1]).transpose(0, 1).reshape(weight.shape))


@fault("weights", "block 4 attention")
def one_head_permuted(tower: VisionTower) -> None:
    """The output projection reads two heads in the other order."""
    weight, size = block(tower, 4).attn.out_proj.weight, tower.config.head_dim
    weight[:, : 2 * size] = weight[:, : 2 * size].roll(size, dims=1)


@fault("weights", "block 2 MLP")
def one_stale_bias(tower: VisionTower) -> None:
    """One bias is left over from an earlier checkpoint."""
    block(tower, 2).mlp.c_proj.bias.copy_(block(stranger(), 2).mlp.c_proj.bias)


@fault("weights", "block 1 MLP")
def one_stale_matrix(tower: VisionTower) -> None:
    """One matrix is left over from an earlier checkpoint."""
    block(tower, 1).mlp.c_fc.weight.copy_(block(stranger(), 1).mlp.c_fc.weight)


@fault("weights", "block 5 attention")
def random_stand_in(tower: VisionTower) -> None:
    """A tensor that was not in the file kept its random initialisation."""
    weight = block(tower, 5).attn.out_proj.weight
    weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * weight.std())


@fault("weights")
def every_tensor_of_another_checkpoint(tower: VisionTower) -> None:
    """A model of the right shapes stands in for the one that was asked for."""
    tower.load_state_dict(stranger().state_dict())


@fault("weights", "block 3 attention")
def one_block_missing(tower: VisionTower) -> None:
    """One block is left out and the last one runs twice, so that the count is right."""
    blocks = list(tower.transformer.resblocks)
    tower.transformer.resblocks = nn.ModuleList([*blocks[:3], *blocks[4:], blocks[-1]])


@fault("weights", "block 3 attention")
def one_block_repeated(tower: VisionTower) -> None:
    """One block's weights were loaded into the next, too."""
    tower.transformer.resblocks[3] = tower.transformer.resblocks[2]


@fault("weights", "block 4 MLP")
def biases_dropped(tower: VisionTower) -> None:
    """A layer was made without its bias."""
    block(tower, 4).mlp.c_fc.bias.zero_()


@fault("weights", "block 2 attention")
def norm_gain_missing(tower: VisionTower) -> None:
    """One LayerNorm kept the gain that it was created with."""
    block(tower, 2).ln_1.weight.fill_(1)


@fault("weights")
def weights_kept_in_bfloat16(tower: VisionTower) -> None:
    """The checkpoint went through bfloat16 and back."""
    for parameter in tower.parameters():
        parameter.copy_(parameter.bfloat16())


@fault("weights", "patches")
def colours_swapped(tower: VisionTower) -> None:
    """The patch convolution reads BGR where the image is RGB."""
    tower.conv1.weight.copy_(tower.conv1.weight.flip(1))


@fault("weights", "patches")
def convolution_kernel_transposed(tower: VisionTower) -> None:
    """The patch convolution's height and width are exchanged."""
    tower.conv1.weight.copy_(tower.conv1.weight.transpose(2, 3).clone())


@fault("weights", "patches")
def imagenet_mean_and_std(tower: VisionTower) -> None:
    """Normalisation with ImageNet's mean and standard deviation was folded into the patch convolution."""
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    weight = tower.conv1.weight.clone()
    tower.conv1.weight.copy_(weight * (0.5 / std)[:, None, None])
    tower.positional_embedding[1:] += (weight.sum((2, 3)) * (0.5 - mean) / std).sum(1)


@fault("weights", "patches")
def pixels_from_0_to_1(tower: VisionTower) -> None:
    """Pixels were taken for numbers in [0, 1], and the shift to [-1, 1] was folded in a second time."""
    weight = tower.conv1.weight.clone()
    tower.conv1.weight.copy_(2 * weight)
    tower.positional_embedding[1:] -= weight.sum((1, 2, 3))


@fault("weights", "patches")
def position_of_class_token_missing(tower: VisionTower) -> None:
    """The class token is added without its position."""
    tower.positional_embedding[0] = 0


@fault("weights", "patches")
def class_token_without_its_embedding(tower: VisionTower) -> None:
    """The class token is its position alone."""
    assert tower.class_embedding is not None
    tower.class_embedding.zero_()


@fault("weights", "patches")
def positions_transposed(tower: VisionTower) -> None:
    """Positions count columns first."""
    table, grid = tower.positional_embedding, tower.config.grid
    table[1:] = table[1:].view(grid, grid, -1).transpose(0, 1).reshape(grid * grid, -1).clone()


def resampled(tower: VisionTower, **how: Any) -> None:
    grid = tower.config.grid
    square = tower.positional_embedding[1:].T.reshape(1, -1, grid, grid)
    smaller = F.interpolate(square, size=(grid // 2, grid // 2), mode="area")
    larger: Tensor = F.interpolate(smaller, size=(grid, grid), **how)
    tower.positional_embedding[1:] = larger.flatten(2)[0].T


@fault("weights", "patches")
def positions_by_nearest_neighbour(tower: VisionTower) -> None:
    """Positions of another resolution were resampled by the nearest neighbour."""
    resampled(tower, mode="nearest")


@fault("weights", "patches")
def positions_by_bilinear_interpolation(tower: VisionTower) -> None:
    """Positions of another resolution were resampled bilinearly, with aligned corners."""
    resampled(tower, mode="bilinear", align_corners=True)


@fault("weights", "pooling")
def probe_of_another_checkpoint(tower: VisionTower) -> None:
    """The pooling probe is that of another checkpoint."""
    pool(tower).probe.copy_(pool(stranger()).probe)


@fault("weights", "pooling")
def one_pooling_head_lost(tower: VisionTower) -> None:
    """Pooling has one head less than it was trained with."""
    pool(tower).attn.out_proj.weight[:, -16:] = 0


@fault("weights", "projection")
def projection_transposed(tower: VisionTower) -> None:
    """The projection's values were read column by column."""
    assert tower.proj is not None
    tower.proj.copy_(tower.proj.T.reshape(tower.proj.shape).clone())
