"""What each mode promises, on a small transformer converted the way the exporter converts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.data.tensors import TensorSpec
from pe_validate.mil import Mode, Trace, load
from pe_validate.system.errors import RunError

WIDTH, HEADS, TOKENS = 32, 2, 17


class Transformer(nn.Module):
    """A one-block vision transformer with static shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch(image).reshape(1, WIDTH, TOKENS - 1).transpose(1, 2)
        x = torch.cat([self.token, x], 1)
        q, k, v = (
            part.reshape(1, TOKENS, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in self.qkv(self.norm_1(x)).chunk(3, -1)
        )
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(1, TOKENS, WIDTH))
        features: Tensor = (x + self.down(F.gelu(self.up(self.norm_2(x)))))[:, 0]
        return features


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(7)
    return Transformer().eval()


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(8))


@pytest.fixture(scope="module")
def package(
    model: nn.Module, image: Tensor, save_module: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The model as a package of a given compute precision."""
    folder = tmp_path_factory.mktemp("precision")

    def at(precision: str) -> Path:
        path = folder / f"{precision}.mlpackage"
        return path if path.exists() else save_module(model, image, precision, path)

    return at


def _relative_error(actual: np.ndarray, expected: Tensor) -> float:
    return float(np.abs(actual - expected.numpy()).max() / expected.abs().max())


def _eager(model: nn.Module, image: Tensor) -> Tensor:
    with torch.inference_mode():
        features: Tensor = model(image)
    return features


def _run(path: Path, mode: Mode, image: Tensor, trace: Trace | None = None) -> np.ndarray:
    features: np.ndarray = load(path, mode).predict({"image": image.numpy()}, trace)["features"]
    return features


def _into(values: dict[str, Tensor]) -> Trace:
    return lambda name, op, value: values.update({name: value})


@pytest.mark.parametrize("mode", ["exact", "declared"])
def test_float32_package_equals_eager_in_both_modes(
    package: Callable[[str], Path], model: nn.Module, image: Tensor, mode: Mode
) -> None:
    assert _relative_error(_run(package("FLOAT32"), mode, image), _eager(model, image)) < 1e-5


def test_exact_float16_package_equals_eager_with_rounded_weights(
    package: Callable[[str], Path], model: nn.Module, image: Tensor
) -> None:
    rounded = Transformer().eval()
    rounded.load_state_dict({name: value.half().float() for name, value in model.state_dict().items()})
    actual = _run(package("FLOAT16"), "exact", image)
    assert _relative_error(actual, _eager(rounded, image)) < 1e-5


def test_declared_float16_package_costs_a_few_thousandths(
    package: Callable[[str], Path], model: nn.Module, image: Tensor
) -> None:
    error = _relative_error(_run(package("FLOAT16"), "declared", image), _eager(model, image))
    exact = _relative_error(_run(package("FLOAT16"), "exact", image), _eager(model, image))
    assert exact < error < 5e-3


def test_declared_mode_rounds_every_value_and_exact_mode_does_not(
    package: Callable[[str], Path], image: Tensor
) -> None:
    traced: dict[Mode, dict[str, Tensor]] = {"exact": {}, "declared": {}}
    for mode, values in traced.items():
        _run(package("FLOAT16"), mode, image, _into(values))
    assert list(traced["exact"]) == list(traced["declared"])
    assert all(torch.equal(value, value.half().float()) for value in traced["declared"].values())
    assert not all(torch.equal(value, value.half().float()) for value in traced["exact"].values())


def test_a_value_too_large_for_float16_is_infinite_only_in_declared_mode(
    package: Callable[[str], Path], image: Tensor
) -> None:
    huge = torch.full_like(image, 1e5)
    assert np.isfinite(_run(package("FLOAT16"), "exact", huge)).all()
    assert not np.isfinite(_run(package("FLOAT16"), "declared", huge)).all()


def test_the_operator_that_overflows_is_named(package: Callable[[str], Path], image: Tensor) -> None:
    program = load(package("FLOAT16"), "declared")
    program.predict({"image": torch.full_like(image, 6e4).numpy()})
    assert program.overflows[0].startswith("operator 'conv' ")
    program.predict({"image": image.numpy()})
    assert program.overflows == []


def test_trace_sees_operators_in_order(package: Callable[[str], Path], image: Tensor) -> None:
    operators: list[str] = []
    _run(package("FLOAT16"), "exact", image, lambda name, op, value: operators.append(op))
    assert operators[0] == "cast"
    assert operators[-1] == "cast"
    assert {"conv", "linear", "layer_norm", "softmax", "gelu", "matmul"} <= set(operators)


def test_program_declares_its_inputs_and_outputs(package: Callable[[str], Path]) -> None:
    program = load(package("FLOAT32"))
    assert program.inputs == (TensorSpec("image", (1, 3, 16, 16), "float32"),)
    assert program.outputs == (TensorSpec("features", (1, WIDTH), "float32"),)


def test_inputs_are_left_alone_and_outputs_are_the_callers_own(package: Callable[[str], Path], image: Tensor) -> None:
    given = image.numpy().copy()
    given.flags.writeable = False
    program = load(package("FLOAT32"))
    first = program.predict({"image": given})["features"]
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(program.predict({"image": given})["features"], kept)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param({}, "takes the inputs image, but was given none", id="none"),
        pytest.param({"picture": np.zeros(1)}, "takes the inputs image, but was given picture", id="name"),
        pytest.param(
            {"image": np.zeros((1, 3, 16, 8), np.float32)},
            "takes the input image: float32[1, 3, 16, 16], but was given float32[1, 3, 16, 8]",
            id="shape",
        ),
        pytest.param({"image": np.full((1, 3, 16, 16), "0")}, "but was given <U1[1, 3, 16, 16]", id="dtype"),
    ],
)
def test_a_wrong_input_is_refused(package: Callable[[str], Path], inputs: dict[str, np.ndarray], expected: str) -> None:
    with pytest.raises(RunError) as caught:
        load(package("FLOAT32")).predict(inputs)
    assert expected in str(caught.value)
    assert "FLOAT32.mlpackage" in str(caught.value)


def test_an_unknown_mode_is_refused(package: Callable[[str], Path]) -> None:
    with pytest.raises(RunError, match="Unknown mode 'fast': choose one of exact, declared"):
        load(package("FLOAT32"), mode="fast")  # type: ignore[arg-type]  # it is what is tested
