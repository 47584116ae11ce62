"""Running sums in float16, as an engine may keep them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mil_networks import Quiet
from torch import Tensor, nn

from pe_validate.mil import Mode, load
from pe_validate.mil.ops import OPERATORS
from pe_validate.mil.ops.accumulation import ROUNDED, product
from pe_validate.system.errors import RunError

RNG = torch.Generator().manual_seed(3)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=RNG)


def by_hand(x: Tensor, y: Tensor, terms: int) -> Tensor:
    """One multiply-accumulate after the other."""
    total = torch.zeros(x.shape[0], y.shape[1])
    for index in range(x.shape[1]):
        total = total + x[:, index : index + 1] * y[index : index + 1]
        if (index + 1) % terms == 0 or index + 1 == x.shape[1]:
            total = total.half().float()
    return total


@pytest.mark.parametrize("terms", [1, 4, 7, 64])
def test_a_product_is_rounded_after_so_many_terms(terms: int) -> None:
    # Powers of two as weights: float32 holds every partial sum, so the two orders of summing agree to the bit.
    x = torch.randint(-64, 65, (5, 21), generator=RNG).float()
    y = 2.0 ** torch.randint(-4, 5, (21, 3), generator=RNG)
    assert torch.equal(product(x, y, terms), by_hand(x, y, terms))


def vector(*values: int) -> Tensor:
    return torch.tensor(values)


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("linear", {"x": normal(2, 5, 30), "weight": normal(7, 30), "bias": normal(7)}),
    ("matmul", {"x": normal(2, 30, 5), "y": normal(7, 30), "transpose_x": vector(1), "transpose_y": vector(1)}),
    ("matmul", {"x": normal(30), "y": normal(30, 4)}),
    ("einsum", {"values": [normal(2, 3, 5, 30), normal(2, 30, 3, 4)], "equation": "bhqc,bchk->bhqk"}),
    ("einsum", {"values": [normal(2, 3), normal(4)], "equation": "ij,k->ijk"}),
    ("scaled_dot_product_attention", {"query": normal(2, 6, 8), "key": normal(2, 9, 8), "value": normal(2, 9, 8)}),
    (
        "scaled_dot_product_attention",
        {"query": normal(2, 6, 8), "key": normal(2, 6, 8), "value": normal(2, 6, 4), "attn_mask": torch.ones(6, 6) > 0},
    ),
    (
        "conv",
        {
            "x": normal(2, 6, 9, 8),
            "weight": normal(4, 3, 3, 2),
            "bias": normal(4),
            "strides": vector(2, 1),
            "dilations": vector(1, 2),
            "pad_type": "custom",
            "pad": vector(1, 0, 2, 1),
            "groups": torch.tensor(2),
        },
    ),
]


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CALLS)])
def test_with_more_terms_than_there_are_it_is_the_operator_rounded(name: str, arguments: dict[str, Any]) -> None:
    expected = OPERATORS[name].run(**arguments)
    assert isinstance(expected, Tensor)
    actual = ROUNDED[name](10_000, **arguments)
    assert actual.shape == expected.shape
    # Half a unit in the last place of a float16 as large as the largest; attention rounds its scores, too.
    torch.testing.assert_close(actual, expected, rtol=0, atol=2.0**-10 * float(expected.abs().max()))


def test_an_operator_that_sums_is_replaced_and_no_other() -> None:
    assert set(ROUNDED) == {"linear", "matmul", "einsum", "scaled_dot_product_attention", "conv"}


def test_fewer_terms_between_roundings_cost_more(
    save_module: Callable[..., Path], quiet: Quiet, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(512, 512), nn.GELU(), nn.Linear(512, 16)).eval()
    x = normal(4, 512)
    path = save_module(model, x, "FLOAT16", tmp_path / "model.mlpackage")
    exact = load(path).predict({"image": x.numpy()})["features"]

    def snr(terms: int | None) -> float:
        found = load(path, "declared", terms=terms).predict({"image": x.numpy()})["features"]
        return float(10 * np.log10((exact**2).sum() / ((found - exact) ** 2).sum()))

    everything, seldom, often = snr(None), snr(64), snr(4)
    assert everything > seldom + 2
    assert seldom > often + 2


@pytest.mark.parametrize(("mode", "terms"), [("exact", 8), ("declared", 0)])
def test_rounded_sums_belong_to_declared_mode(mode: Mode, terms: int, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="only in mode 'declared'"):
        load(tmp_path / "any.mlpackage", mode, terms=terms)
