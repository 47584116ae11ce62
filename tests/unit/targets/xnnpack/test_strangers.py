"""Programs that other people exported: read as they are, and refused only with what they lack."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from strangers import ABSENT_BACKEND, ABSENT_OPERATOR, Bounded, convolution
from tiny_artifacts import CONFIG, tiny_module

from pe_validate import Model
from pe_validate.data.case import Case
from pe_validate.data.outputs import Array
from pe_validate.data.structure import Delegation
from pe_validate.data.tensors import CHANNELS_LAST
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.own.config import VARIABLE
from pe_validate.reference.reference import reference
from pe_validate.system.errors import RunError
from pe_validate.targets.xnnpack import XNNPACK
from pe_validate.targets.xnnpack.delegation import isolated_structure
from pe_validate.targets.xnnpack.orders import memory_orders
from pe_validate.walk.check import Claim, check, claimed

IMAGE = np.random.default_rng(0).uniform(-1, 1, CONFIG.input_shape).astype(np.float32)


def answered(path: Path) -> Array:
    with IsolatedRuntime(path, XNNPACK.name, "declared") as runtime:
        return runtime.run(IMAGE)


def delegated(path: Path) -> Delegation:
    found = isolated_structure(path).delegation
    assert found
    return found


def by_eager(module: torch.nn.Module) -> Array:
    with torch.no_grad():
        features: Array = module(torch.from_numpy(IMAGE)).numpy()
    return features


@pytest.mark.parametrize("file", ["channels_last.pte", "both_channels_last.pte"])
def test_memory_is_handed_over_in_the_declared_order(strangers: Path, file: str) -> None:
    module = convolution() if file.startswith("both") else tiny_module()
    np.testing.assert_allclose(answered(strangers / file), by_eager(module), atol=1e-5)


def test_a_program_says_how_its_inputs_and_outputs_lie(strangers: Path) -> None:
    assert memory_orders(strangers / "plain.pte") == (((),), ((),))
    assert memory_orders(strangers / "channels_last.pte") == ((CHANNELS_LAST,), ((),))
    assert memory_orders(strangers / "both_channels_last.pte") == ((CHANNELS_LAST,), (CHANNELS_LAST,))
    with IsolatedRuntime(strangers / "channels_last.pte", XNNPACK.name, "declared") as runtime:
        assert str(runtime.inputs[0]).endswith("channels-last (NHWC) in memory")


@pytest.mark.parametrize("length", [0, 4, 40, 400, 1200])
def test_a_program_that_ends_early_does_not_say_so_and_is_one_sentence(
    strangers: Path, tmp_path: Path, length: int
) -> None:
    path = tmp_path / "short.pte"
    path.write_bytes((strangers / "plain.pte").read_bytes()[:length])
    with pytest.raises(RunError, match=r"short\.pte' is damaged"):
        memory_orders(path)


def test_bounds_on_one_side_alone_are_read(strangers: Path) -> None:
    """flatc writes the other bound as the word ``inf``, which is no JSON."""
    assert delegated(strangers / "bounded.pte").products["linear fp32 × fp32"]
    np.testing.assert_allclose(answered(strangers / "bounded.pte"), by_eager(Bounded().eval()), atol=1e-5)


def test_values_inside_a_delegate_with_open_bounds_are_read(strangers: Path) -> None:
    values = XNNPACK.intermediates(strangers / "bounded.pte", "declared", IMAGE, frozenset({IMAGE.size, 8}))
    assert len(values) > 1


def test_constants_in_a_file_beside_the_program_are_used(strangers: Path) -> None:
    assert list((strangers / "apart").glob("*.ptd"))
    assert delegated(strangers / "apart" / "model.pte").left_over
    np.testing.assert_allclose(answered(strangers / "apart" / "model.pte"), by_eager(tiny_module()), atol=1e-5)


def test_constants_that_are_not_there_are_asked_for(strangers: Path, tmp_path: Path) -> None:
    shutil.copyfile(strangers / "apart" / "model.pte", tmp_path / "model.pte")
    with pytest.raises(RunError, match=r"file is whole, but \d of its constants .* in a \.ptd file.*put it there"):
        answered(tmp_path / "model.pte")


def test_a_backend_that_is_not_here_is_named(strangers: Path) -> None:
    with pytest.raises(RunError, match=rf"file is whole, but it delegates to {ABSENT_BACKEND}.*XnnpackBackend"):
        answered(strangers / "absent_backend.pte")


def test_an_operator_without_a_kernel_is_named(strangers: Path) -> None:
    with pytest.raises(RunError, match=rf"file is whole, but the runtime here has no kernel for {ABSENT_OPERATOR}:"):
        answered(strangers / "absent_kernel.pte")


def test_another_method_is_named(strangers: Path) -> None:
    with pytest.raises(RunError, match=r"no method 'forward', .* it has 'encode'"):
        isolated_structure(strangers / "encode.pte")


def test_half_of_a_program_is_called_truncated(strangers: Path, tmp_path: Path) -> None:
    whole = (strangers / "plain.pte").read_bytes()
    (tmp_path / "half.pte").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match="truncated or not a program"):
        answered(tmp_path / "half.pte")


def test_an_input_of_int8_is_given_what_the_program_takes_its_integers_for(
    strangers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")  # what is registered is not there for other tests
    path = strangers / "int8_input.pte"
    model = Model.from_module(tiny_module(), torch.from_numpy(IMAGE), name="tiny-int8-input")
    loaded = reference(model.name)
    structure = claimed(path, model.name).structure
    assert structure.quantised
    assert structure.quantised.scale == pytest.approx(2 / 255, rel=0.01)
    assert structure.quantised.scale == np.float32(structure.quantised.scale) != round(structure.quantised.scale, 6)
    found = check(Claim(path, Case(model.name, "pte", "int8-static"), structure), loaded)
    interface, loss = found.verdict("interface"), found.verdict("loss")
    assert interface
    assert f"(int8 with scale {structure.quantised.scale:g} and zero point" in interface.sentence
    assert loss
    assert loss.status == "pass", found.sentences
