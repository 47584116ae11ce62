"""The evaluator has not become slow. What it takes on the real models is measured by ``tests/benchmarks/evaluator.py``.

Times are of this process alone and in turns, and the best of many rounds counts: what else the machine does only adds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mil_editing import block, edit, operation
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.mil import load
from pe_validate.mil.ops import linear
from pe_validate.mil.program import Program

ROUNDS = 50
EAGER = 2.4
"""Times of eager: 1.25 to 1.4 on two machines, 1.7 to 2.0 on a third, where rounding costs more beside products. There
the same code was at 1.8 and failed a limit of 1.65; what is alike on all of them is the next number."""
WIDE = 0.8
"""Share of what the evaluator takes with products in float64: 0.6 to 0.73 on all three."""
GROWTH = 3.0
"""Times as long for twice the operations: 2 when each takes the same time, 4 when each looks at all others."""
OPERATIONS = 1500


class Block(nn.Module):
    """A transformer's, of the size of T16: 197 tokens of width 192, in three heads."""

    def __init__(self) -> None:
        super().__init__()
        self.attend_norm, self.think_norm = nn.LayerNorm(192), nn.LayerNorm(192)
        self.qkv, self.out = nn.Linear(192, 576), nn.Linear(192, 192)
        self.think = nn.Sequential(nn.Linear(192, 768), nn.GELU(), nn.Linear(768, 192))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.attend_norm(x)).reshape(1, 197, 3, 3, 64).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(attended.transpose(1, 2).reshape(1, 197, 192))
        added: Tensor = self.think(self.think_norm(x))
        return x + added


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(Block(), Block(), Block()).eval()


@pytest.fixture(scope="module")
def program(network: nn.Module, save_module: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Program:
    path = tmp_path_factory.mktemp("speed") / "blocks.mlpackage"
    return load(save_module(network, torch.randn(1, 197, 192), "FLOAT16", path), "declared")


def best(
    *calls: Callable[[], object], rounds: int = ROUNDS, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Seconds of the fastest run of each; they take turns, after one that does not count."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds + 1):
        for times, call in zip(taken, calls, strict=True):
            start = clock()
            call()
            times.append(clock() - start)
    return [min(times[1:]) for times in taken]


def test_a_float16_transformer_takes_no_more_than_a_few_times_eager(program: Program, network: nn.Module) -> None:
    image = torch.randn(1, 197, 192)
    with torch.inference_mode():
        mine, eager = best(partial(program.predict, {"image": image.numpy()}), partial(network, image))
    assert mine < EAGER * eager, f"{mine / eager:.2f} of eager, and {EAGER} is the limit"


def test_the_limit_is_below_what_float64_takes(program: Program) -> None:
    """Whatever the machine: in turns with the same evaluator, whose products are float64."""
    wide = SimpleNamespace(**vars(F))
    wide.linear = lambda *tensors: F.linear(*(tensor.double() for tensor in tensors))
    wide.scaled_dot_product_attention = lambda query, key, value, attn_mask: F.scaled_dot_product_attention(
        query.double(), key.double(), value.double(), attn_mask=attn_mask
    )
    image = {"image": torch.randn(1, 197, 192).numpy()}

    def predict_wide() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(linear, "F", wide)
            program.predict(image)

    with torch.inference_mode():
        mine, slow = best(partial(program.predict, image), predict_wide)
    assert mine < WIDE * slow, f"{mine / slow:.2f} of what products in float64 take, and {WIDE} is the limit"


def lengthened(good: Path, path: Path, count: int) -> Path:
    """The package with so many activations in a row before its last."""

    def change(specification: Any) -> None:
        last = operation(specification, "relu")
        found = block(specification).operations
        sample = type(last)()
        sample.CopyFrom(last)
        source = sample.inputs["x"].arguments[0].name
        found.remove(last)
        for index in range(count):
            added = found.add()
            added.CopyFrom(sample)
            added.inputs["x"].arguments[0].name = source
            added.outputs[0].name = source = "y" if index == count - 1 else f"step_{index}"

    shutil.copytree(good, path)
    edit(change)(path)
    return path


def test_time_grows_with_the_number_of_operations_and_not_faster(good: Path, tmp_path: Path) -> None:
    paths = [lengthened(good, tmp_path / f"{count}.mlpackage", count) for count in (OPERATIONS, 2 * OPERATIONS)]
    shorter, longer = best(*(partial(load, path, "declared") for path in paths), rounds=5, clock=time.process_time)
    assert longer < GROWTH * shorter, f"loading takes {longer:.3f} s for twice what takes {shorter:.3f} s"
    x = torch.ones(2, 8).numpy()
    shorter, longer = best(
        *(partial(load(path, "declared").predict, {"x": x}) for path in paths), rounds=5, clock=time.process_time
    )
    assert longer < GROWTH * shorter, f"predicting takes {longer:.3f} s for twice what takes {shorter:.3f} s"
