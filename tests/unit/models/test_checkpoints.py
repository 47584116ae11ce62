"""Checkpoints as training code saves them: the model in them is found, and what was left alone is said."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from pe_validate.models.checkpoints import Fit, fit
from pe_validate.models.registry import load_weights
from pe_validate.models.weights import read_file
from pe_validate.system.errors import LoadError

Tensors = dict[str, Tensor]

EXPECTED: Tensors = {
    "class_embedding": torch.arange(4.0),
    "transformer.resblocks.0.mlp.c_fc.weight": torch.arange(12.0).reshape(3, 4),
    "transformer.resblocks.1.mlp.c_fc.weight": torch.arange(12.0).reshape(3, 4) / 7,
    "proj": torch.ones(4, 2),
}
CLIP = {f"visual.{name}": tensor for name, tensor in EXPECTED.items()} | {
    "positional_embedding": torch.zeros(3),
    "transformer.resblocks.0.mlp.c_fc.weight": torch.zeros(9, 9),
    "logit_scale": torch.tensor(4.6),
}


def renamed(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


AVERAGE = {name: tensor * 1.01 for name, tensor in EXPECTED.items()}

SHAPES: dict[str, tuple[dict[str, object], str]] = {
    "plain": ({**EXPECTED}, ""),
    "CLIP": ({**CLIP}, "named 'visual.…'"),
    "under model": ({"model": CLIP}, "under 'model' named 'visual.…'"),
    "under model_state_dict": ({"model_state_dict": CLIP, "epoch": 3}, "under 'model_state_dict'"),
    "DeepSpeed": ({"module": CLIP}, "under 'module'"),
    "OpenCLIP": ({"state_dict": renamed("module.", CLIP), "optimizer": {"state": {}}}, "named 'module.visual.…'"),
    "Lightning": ({"state_dict": renamed("model.", CLIP)}, "named 'model.visual.…'"),
    "compiled": ({"state_dict": renamed("module._orig_mod.", CLIP)}, "named 'module._orig_mod.visual.…'"),
    "inside another": ({**renamed("image_encoder.", EXPECTED)}, "named 'image_encoder.…'"),
    "deep": ({"a": {"b": EXPECTED}}, "under 'a.b'"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_model_is_found_and_said_where(shape: str) -> None:
    content, where = SHAPES[shape]
    found = fit(content, EXPECTED, "tower", "file")
    assert found.tensors.keys() == EXPECTED.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in EXPECTED.items())
    assert where in " ".join(found.notes)
    assert bool(where) == any(note.startswith("Weights are") for note in found.notes)


def test_a_head_and_buffers_are_named_and_left_alone() -> None:
    found = fit({**EXPECTED, "head.weight": torch.ones(2), "rope.freqs": torch.ones(2)}, EXPECTED, "tower", "file")
    assert found.notes == ("Left alone: head.weight, rope.freqs.",)


def test_many_that_are_left_alone_are_counted() -> None:
    others = {f"text.{number}": torch.ones(1) for number in range(20)}
    (note,) = fit({**EXPECTED, **others}, EXPECTED, "tower", "file").notes
    assert note == "Left alone: text.0, text.1, text.2, text.3 and 16 more tensors."


@pytest.mark.parametrize("names", [("model", "model_ema"), ("state_dict", "state_dict_ema"), ("weights", "ema")])
def test_the_moving_average_is_taken_only_if_it_is_asked_for(names: tuple[str, str]) -> None:
    content = dict(zip(reversed(names), (AVERAGE, EXPECTED), strict=True))  # the average comes first in the file
    plain, average = (fit(content, EXPECTED, "tower", "file", ema=ema) for ema in (False, True))
    assert torch.equal(plain.tensors["proj"], EXPECTED["proj"])
    assert torch.equal(average.tensors["proj"], AVERAGE["proj"])
    assert f"under '{names[1]}', which fit too; '--ema' takes them" in " ".join(plain.notes)
    assert f"Left alone: the tensors under '{names[0]}'" in " ".join(average.notes)


def test_a_moving_average_alone_is_taken_and_said() -> None:
    found = fit({"ema": AVERAGE}, EXPECTED, "tower", "file")
    assert found.notes == ("Weights are the tensors under 'ema'.",)


def test_a_moving_average_that_there_is_not_is_refused() -> None:
    with pytest.raises(LoadError, match=r"holds no moving average of tower, only the tensors under 'model'.*'--ema'"):
        fit({"model": EXPECTED}, EXPECTED, "tower", "file", ema=True)


LAYER = "transformer.resblocks.0.mlp.c_fc"


def adapted(*, second: bool = True, **beside: object) -> dict[str, object]:
    """A checkpoint of PEFT's, with factors of rank 2 beside one layer."""
    plain = {name.replace(f"{LAYER}.", f"{LAYER}.base_layer."): tensor for name, tensor in EXPECTED.items()}
    factors = {f"{LAYER}.lora_A.default.weight": torch.full((2, 4), 0.5)}
    factors |= {f"{LAYER}.lora_B.default.weight": torch.full((3, 2), 2.0)} if second else {}
    return {"model": renamed("base_model.model.", plain | factors), **beside}


def test_loras_factors_are_merged_by_pefts_formula_where_alpha_is_said() -> None:
    found = fit(adapted(lora_alpha=4), EXPECTED, "tower", "file").tensors[f"{LAYER}.weight"]
    assert torch.equal(found, EXPECTED[f"{LAYER}.weight"] + 4 / 2 * 2 * 0.5 * 2.0)


@pytest.mark.parametrize("content", [adapted(), adapted(second=False, lora_alpha=4)], ids=["no alpha", "no B"])
def test_loras_factors_that_cannot_be_merged_are_refused(content: dict[str, object]) -> None:
    with pytest.raises(LoadError, match=r"holds LoRA's factors, such as '.*lora_A.*merge_and_unload"):
        fit(content, EXPECTED, "tower", "file")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "4 tensors disagree: missing class_embedding"),
        (
            {"model": EXPECTED | {"proj": torch.ones(2, 2)}},
            r"mis-shaped proj \[2, 2\] .*nearest to it .*'model'",
        ),
        (
            {**EXPECTED, "transformer.resblocks.2.mlp.c_fc.weight": torch.ones(3, 4)},
            "1 tensors disagree: surplus transformer.resblocks.2",
        ),
    ],
    ids=["nothing", "another shape", "a layer more"],
)
def test_what_is_another_model_is_refused_with_what_it_is_like(content: dict[str, object], said: str) -> None:
    with pytest.raises(LoadError, match=rf"'file' is not a tower; .*{said}"):
        fit(content, EXPECTED, "tower", "file")


def test_whole_numbers_stay_what_they_are() -> None:
    counted = {"batches": torch.tensor(3), "weight": torch.ones(1)}
    found = fit({"batches": torch.tensor(9), "weight": torch.ones(1).half()}, counted, "tower", "file").tensors
    assert (found["batches"].dtype, int(found["batches"])) == (torch.int64, 9)
    assert found["weight"].dtype == torch.float32


@pytest.fixture
def sharded(tmp_path: Path) -> Callable[[str], Path]:
    def write(second: str) -> Path:
        names = list(CLIP)
        files = {"1.safetensors": names[:3], "2.safetensors": names[3:]}
        for file, held in files.items():
            save_file({name: CLIP[name] for name in held}, tmp_path / file)
        table = {name: "1.safetensors" if name in names[:3] else second for name in names}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
        return tmp_path

    return write


@pytest.mark.parametrize("named", ["", "model.safetensors.index.json"])
def test_shards_are_read_by_their_folder_or_their_index(sharded: Callable[[str], Path], named: str) -> None:
    found = read_file(str(sharded("2.safetensors") / named), EXPECTED, "tower")
    assert torch.equal(found.tensors["proj"], EXPECTED["proj"])


@pytest.mark.parametrize(
    ("second", "said"), [("../2.safetensors", "is no file beside it"), ("3.safetensors", "No checkpoint at .*3.safe")]
)
def test_shards_that_lie_elsewhere_are_refused(sharded: Callable[[str], Path], second: str, said: str) -> None:
    with pytest.raises(LoadError, match=said):
        read_file(str(sharded(second)), EXPECTED, "tower")


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="is no index of a sharded checkpoint: name its folder or one file"):
        read_file(str(tmp_path), EXPECTED, "tower")


def saved(content: object, folder: Path, *, ema: bool = False) -> Fit:
    torch.save(content, folder / "saved.pt")
    return read_file(f"{folder / 'saved.pt'}{'+ema' * ema}", EXPECTED, "tower")


def test_options_of_a_training_script_are_plain_data(tmp_path: Path) -> None:
    found = saved({"state_dict": EXPECTED, "args": argparse.Namespace(lr=1e-3)}, tmp_path)
    assert torch.equal(found.tensors["proj"], EXPECTED["proj"])


def test_the_end_of_a_name_asks_for_the_moving_average(tmp_path: Path) -> None:
    content = {"model": EXPECTED, "model_ema": AVERAGE}
    assert torch.equal(saved(content, tmp_path, ema=True).tensors["proj"], AVERAGE["proj"])


def test_a_real_tower_is_found_in_clip(tmp_path: Path) -> None:
    weights = load_weights("PE-Nano", "seed:11")
    torch.save({"state_dict": renamed("module.visual.", dict(weights.tensors))}, tmp_path / "clip.pt")
    found = load_weights("PE-Nano", f"file:{tmp_path / 'clip.pt'}")
    assert found.sha256 == weights.sha256
    assert found.notes == ("Weights are the tensors under 'state_dict' named 'module.visual.…'.",)


def at_96(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    """PE-Nano's tensors with positions for images of 96 pixels, and those resampled to its own 64."""
    table = torch.randn(12 * 12 + 1, 128, generator=torch.Generator().manual_seed(0))
    square = table[1:].T.reshape(1, 128, 12, 12)
    resampled = F.interpolate(square, size=(8, 8), mode="bilinear", align_corners=False)
    return {**weights, "positional_embedding": table}, torch.cat([table[:1], resampled.flatten(2)[0].T])


def test_positions_of_another_image_size_are_resampled_as_metas_code_does_and_it_is_said(tmp_path: Path) -> None:
    tensors, resampled = at_96(load_weights("PE-Nano", "seed:11").tensors)
    torch.save(tensors, tmp_path / "large.pt")
    found = load_weights("PE-Nano", f"file:{tmp_path / 'large.pt'}")
    torch.testing.assert_close(found.tensors["positional_embedding"], resampled)
    assert found.notes == ("Positions are of 12 × 12 patches and were resampled to 8 × 8.",)


@pytest.mark.parametrize("shape", [(100, 128), (145, 64), (145,)], ids=str)
def test_positions_that_are_of_no_square_images_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    torch.save(
        {**load_weights("PE-Nano", "seed:11").tensors, "positional_embedding": torch.zeros(shape)}, tmp_path / "odd.pt"
    )
    with pytest.raises(LoadError, match="mis-shaped positional_embedding"):
        load_weights("PE-Nano", f"file:{tmp_path / 'odd.pt'}")
