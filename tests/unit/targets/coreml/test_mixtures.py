"""Which float type a package computes in, what it keeps in float32, and constants that are folded in another place."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from coreml_packages import save
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.data.case import Case
from pe_validate.data.result import Result
from pe_validate.gates.loss import LOSS
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import RunError
from pe_validate.walk.check import claimed

pytestmark = pytest.mark.filterwarnings("ignore")  # coremltools 9.0 warns of its own dependencies

Judge = Callable[..., Result]
References = dict[str, Reference]

KEPT: dict[str, Callable[[Any], bool]] = {
    "norm and softmax": lambda op: op.op_type not in ("layer_norm", "softmax"),
    "all but products": lambda op: op.op_type in ("linear", "conv", "matmul"),
    "the products": lambda op: op.op_type not in ("linear", "conv", "matmul"),
}


def with_epsilon(sound: nn.Module, epsilon: float) -> nn.Module:
    sick = deepcopy(sound)
    for module in sick.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = epsilon
    return sick


@pytest.mark.parametrize("kept", KEPT)
def test_a_package_of_mixed_precision_is_held_to_the_constants_that_it_keeps(
    ct: Any, encoders: References, judged: Judge, tmp_path: Path, kept: str
) -> None:
    mixture = ct.transform.FP16ComputePrecision(KEPT[kept])
    path = save(encoders["colour"].module, tmp_path / "m.mlpackage", compute_precision=mixture)
    result = judged(path)
    assert result.case.precision == "fp16"
    assert result.status == "pass", [verdict.sentence for verdict in result.verdicts]
    identity = result.verdict("identity")
    assert identity
    assert "constants rounded to float16" in identity.reference


def test_a_fault_in_a_package_of_mixed_precision_is_seen_below_the_rounding(
    ct: Any, encoders: References, judged: Judge, tmp_path: Path
) -> None:
    sick = with_epsilon(encoders["colour"].module, 1e-4)
    mixture = ct.transform.FP16ComputePrecision(KEPT["norm and softmax"])
    result = judged(save(sick, tmp_path / "m.mlpackage", compute_precision=mixture))
    assert [verdict.gate for verdict in result.verdicts if verdict.status == "fail"] == ["identity"]


class Scaled(nn.Module):
    """The colour encoder, with the scale of its attention multiplied into the weights of the queries."""

    def __init__(self, whole: Any, activation: Callable[[Tensor], Tensor] = F.gelu) -> None:
        super().__init__()
        self.whole, self._activation = deepcopy(whole), activation
        with torch.no_grad():
            width = self.whole.qkv.out_features // 3
            self.whole.qkv.weight[:width] *= 0.21
            self.whole.qkv.bias[:width] *= 0.21

    def forward(self, image: Tensor) -> Tensor:
        w = self.whole
        x = torch.cat([w.token, w.stem(image).flatten(2).transpose(1, 2)], 1) + w.place
        q, k, v = w.qkv(w.first(x)).chunk(3, -1)
        x = x + torch.softmax(q @ k.transpose(1, 2), -1) @ v
        features: Tensor = w.head(self._activation(w.up(w.last(x)))[:, 0])
        return features


class Folded(nn.Module):
    """The colour encoder, with its class token and the token's position added once and for all."""

    def __init__(self, whole: Any) -> None:
        super().__init__()
        self.whole = whole
        self.first = nn.Parameter(whole.token + whole.place[:, :1])
        self.rest = nn.Parameter(whole.place[:, 1:].clone())

    def forward(self, image: Tensor) -> Tensor:
        w = self.whole
        x = torch.cat([self.first, w.stem(image).flatten(2).transpose(1, 2) + self.rest], 1)
        q, k, v = w.qkv(w.first(x)).chunk(3, -1)
        x = x + torch.softmax(q @ k.transpose(1, 2) * 0.21, -1) @ v
        features: Tensor = w.head(F.gelu(w.up(w.last(x)))[:, 0])
        return features


@pytest.mark.parametrize("form", [Folded, Scaled])
def test_a_constant_may_be_folded_into_another(
    encoders: References, judged: Judge, tmp_path: Path, form: type[nn.Module]
) -> None:
    identity = judged(save(form(encoders["colour"].module), tmp_path / "m.mlpackage")).verdict("identity")
    assert identity
    assert identity.status == "pass", identity.sentence
    assert "constants rounded to float16" in identity.reference


def test_what_is_folded_hides_no_other_fault(encoders: References, judged: Judge, tmp_path: Path) -> None:
    by_tanh = Scaled(encoders["colour"].module, partial(F.gelu, approximate="tanh"))
    identity = judged(save(by_tanh, tmp_path / "m.mlpackage")).verdict("identity")
    assert identity
    assert identity.status == "fail"


def test_a_constant_that_is_folded_wrongly_fails_identity(encoders: References, judged: Judge, tmp_path: Path) -> None:
    folded = Folded(encoders["colour"].module)
    with torch.no_grad():
        folded.first[..., ::2].add_(0.01)  # not all alike, which LayerNorm would remove
    identity = judged(save(folded, tmp_path / "m.mlpackage")).verdict("identity")
    assert identity
    assert identity.status == "fail"


def test_the_type_of_an_output_is_not_the_precision_of_a_package_which_is_held_to_float32s_limits(
    ct: Any, encoders: References, judged: Judge, tmp_path: Path
) -> None:
    outputs = [ct.TensorType(name="features", dtype=np.float16)]
    module = encoders["colour"].module
    path = save(module, tmp_path / "single.mlpackage", precision="FLOAT32", outputs=outputs)
    assert claimed(path, "colour").case.precision == "fp32"
    result = judged(path)
    loss, interface = result.verdict("loss"), result.verdict("interface")
    assert loss
    assert loss.tolerance == LOSS.tolerance(Case("colour", "mlpackage", "fp32"))
    assert result.status == "pass", loss.sentence  # though rounding the features alone takes all beyond 75 dB
    assert interface
    assert "it rounds what it gives to float16, and is judged up to that rounding" in interface.sentence
    assert claimed(save(module, tmp_path / "half.mlpackage"), "colour").case.precision == "fp16"


def test_a_fault_is_seen_through_an_output_that_is_rounded(
    ct: Any, encoders: References, judged: Judge, tmp_path: Path
) -> None:
    sick = with_epsilon(encoders["colour"].module, 1e-3)
    outputs = [ct.TensorType(name="features", dtype=np.float16)]
    loss = judged(save(sick, tmp_path / "m.mlpackage", precision="FLOAT32", outputs=outputs)).verdict("loss")
    assert loss
    assert loss.status == "fail"


@pytest.mark.parametrize("output", [None, "classLabel", "classLabel_probs"])
def test_a_classifier_is_told_from_an_encoder_in_one_sentence(
    ct: Any, encoders: References, judged: Judge, tmp_path: Path, output: str | None
) -> None:
    config = ct.ClassifierConfig([f"class {n}" for n in range(12)])
    path = save(encoders["colour"].module, tmp_path / "m.mlpackage", outputs=None, classifier_config=config)
    with pytest.raises(RunError) as caught:
        judged(path, output=output)
    assert "is a classifier: it gives 'classLabel' (a class label) and 'classLabel_probs' (a dictionary of" in str(
        caught.value
    )
    assert "convert it again without classifier_config" in str(caught.value)
