"""What ``coreai inspect`` says of an asset is what was written into it, and what it calls changed was changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import commands
import pytest
import torch
from commands import Done
from mutations import is_sentence, mutation
from tiny_artifacts import METADATA
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.data.inspection import Change
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child
from pe_validate.targets.base import Example
from pe_validate.targets.coreai import COREAI, program
from pe_validate.targets.coreai.inspection import AssetInspection, changes, isolated_inspection

FEW, MANY = 20, 500


class Layers(nn.Module):
    """Two layers, the norm between them one composite."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.last = nn.Linear(64, 128), nn.LayerNorm(128), nn.Linear(128, 32)

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.last(self.norm(F.gelu(self.first(image))))
        return found


def write_assets(folder: Path) -> None:
    """Write the layers in three precisions, and in float32 with another last layer; runs in a child."""
    from pe_validate.targets.coreai.compression import compress_weights
    from pe_validate.targets.coreai.write import write_aimodel
    from pe_validate.targets.schemes import round_constants

    retrained = Layers().eval()
    torch.manual_seed(1)
    nn.init.normal_(retrained.last.weight)
    modules = {
        "fp32": Layers().eval(),
        "fp16": round_constants(Layers().eval()),
        "int8": compress_weights(round_constants(Layers().eval()), "int8"),
        "retrained": retrained,
    }
    for name, module in modules.items():
        precision = name if name in COREAI.precisions else "fp32"
        told = METADATA | {"precision": precision}
        write_aimodel(module, Example.of(torch.zeros(1, 64)), folder / f"{name}.aimodel", told, precision)


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspected")
    with Child(preload=COREAI.writers) as child:
        child.call(write_assets, 300, folder)
    return folder


@pytest.fixture
def pe_validate(tmp_path: Path) -> Callable[..., Done]:
    return partial(commands.pe_validate, "coreai", "inspect", folder=tmp_path)


def inspected(assets: Path, name: str) -> AssetInspection:
    return isolated_inspection(assets / f"{name}.aimodel")


def test_functions_interface_and_operators_are_told(assets: Path) -> None:
    found = inspected(assets, "fp32")
    assert (found.functions, found.function) == (("main",), "main")
    assert found.inputs == ("image: float32[1, 64]",)
    assert found.outputs == ("features: float32[1, 32]",)
    assert found.operators == {
        "transpose": 2,
        "decomposable.broadcasting_batch_matmul": 2,
        "decomposable.broadcasting_add": 2,
        "gelu": 1,
        "layer_norm": 1,
    }
    assert set(found.results) == {"float32"}


def test_the_size_is_that_of_the_folder(assets: Path) -> None:
    files = (assets / "fp32.aimodel").iterdir()
    assert inspected(assets, "fp32").bytes == sum(file.stat().st_size for file in files)


def test_a_half_precision_file_computes_its_norm_in_float32(assets: Path) -> None:
    results = inspected(assets, "fp16").results
    assert results["float16"] > results["float32"] > 0


@pytest.mark.parametrize(
    ("name", "storage", "size"),
    [
        ("fp32", "float32", 4 * 64 * 128),
        ("fp16", "float16", 2 * 64 * 128),
        ("int8", "int8, a scale for each channel", 64 * 128 + 2 * 128),
    ],
)
def test_weights_are_told_with_their_compression_and_bytes(assets: Path, name: str, storage: str, size: int) -> None:
    largest = inspected(assets, name).largest(1)[0]
    assert (largest.shape, largest.storage, largest.bytes, largest.layer) == ((128, 64), storage, size, "linear")


def test_metadata_is_that_of_the_writer(assets: Path) -> None:
    found = inspected(assets, "int8")
    assert found.metadata["creatorDefinedMetadata.model"] == METADATA["model"]
    assert found.metadata["license"] == METADATA["licence"]
    assert found.particulars["precision"] == "int8"


def test_a_name_that_its_creator_took_twice_is_told_whole(assets: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.aimodel"
    shutil.copytree(assets / "fp32.aimodel", path)
    said = json.loads((path / program.METADATA).read_text())
    said["creatorDefinedMetadata"]["author"] = ["somebody", "else"]
    (path / program.METADATA).write_text(json.dumps(said))
    found = isolated_inspection(path).particulars
    assert (found["author"], found["creatorDefinedMetadata.author"]) == ("pe_validate", '["somebody", "else"]')


def changed(assets: Path, before: str, after: str) -> list[Change]:
    found = changes(inspected(assets, before), inspected(assets, after))
    return [change for change in found if change.subject != "creationDate"]


def test_a_file_does_not_differ_from_itself(assets: Path) -> None:
    assert list(changes(inspected(assets, "int8"), inspected(assets, "int8"))) == []


def test_other_weights_of_one_layer_are_the_only_change(assets: Path) -> None:
    (change,) = changed(assets, "fp32", "retrained")
    assert change.subject.endswith("[32, 128]")
    before, after = (text.split(", ") for text in (change.before, change.after))
    assert before[0] == after[0] == "float32"
    assert before[1] != after[1]


def test_another_precision_changes_metadata_operators_results_and_storage(assets: Path) -> None:
    found = {change.subject: (change.before, change.after) for change in changed(assets, "fp32", "int8")}
    assert found["creatorDefinedMetadata.precision"] == ("fp32", "int8")
    assert found["operator cast"] == ("", "2")
    assert found["operator blockwise_shift_scale"] == ("", "2")
    assert found["results in float16"][0] == ""
    stored = {storage for subject, storage in found.items() if subject.endswith(("[128, 64]", "[32, 128]"))}
    assert stored == {("float32", "int8, a scale for each channel")}


def test_weights_that_are_stored_otherwise_have_other_digests(assets: Path) -> None:
    digests = {name: set(inspected(assets, name).digests) for name in ("fp32", "fp16", "int8")}
    permutation = set.intersection(*digests.values())
    assert len(permutation) == 1, "only the order of axes is stored the same in each"


def test_the_command_shows_both_files_and_what_changed(assets: Path, pe_validate: Callable[..., Done]) -> None:
    done = pe_validate(str(assets / "fp32.aimodel"), "--compare", str(assets / "retrained.aimodel"))
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["asset", "fp32.aimodel", "retrained.aimodel"] in rows
    assert ["layer_norm", "1", "1"] in rows
    assert ["changed", "fp32.aimodel", "retrained.aimodel"] in rows
    done = pe_validate(str(assets / "fp32.aimodel"), "--compare", str(assets / "fp32.aimodel"))
    assert done.stdout.splitlines()[-1] == "Nothing that is read has changed."


def test_json_has_everything(assets: Path, pe_validate: Callable[..., Done]) -> None:
    done = pe_validate(str(assets / "fp32.aimodel"), "--compare", str(assets / "int8.aimodel"), "--json")
    before, after = json.loads(done.stdout)
    assert before["changes"] is None
    assert {"subject": "creatorDefinedMetadata.precision", "before": "fp32", "after": "int8"} in after["changes"]
    assert {len(found["weights"]) - len(found["digests"]) for found in (before, after)} == {0}


def refused(done: Done) -> str:
    assert done.returncode == 3, done.stdout
    (said,) = (line for line in done.stderr.splitlines() if line.startswith("pe-validate: "))
    assert is_sentence(said), said
    return said


def test_a_function_that_is_not_there_is_a_sentence(assets: Path, pe_validate: Callable[..., Done]) -> None:
    said = refused(pe_validate(str(assets / "fp32.aimodel"), "--function", "second"))
    assert said.endswith("has no function 'second': choose one of main.")


def test_what_is_no_asset_is_a_sentence(assets: Path, pe_validate: Callable[..., Done], tmp_path: Path) -> None:
    assert "is no Core AI asset" in refused(pe_validate("missing.aimodel"))
    assert "File name too long" in refused(pe_validate(f"{'x' * 5000}.aimodel"))
    sick = tmp_path / "sick.aimodel"
    shutil.copytree(assets / "fp32.aimodel", sick)
    content = (sick / program.BYTECODE).read_bytes()
    (sick / program.BYTECODE).write_bytes(content[:-100])
    assert "its program is not the one that was written" in refused(pe_validate(str(sick)))
    (sick / program.HASH).unlink()
    assert "ended by SIGABRT" in refused(pe_validate(str(assets / "fp32.aimodel"), "--compare", str(sick)))


def test_names_cannot_drive_the_terminal(assets: Path, pe_validate: Callable[..., Done], tmp_path: Path) -> None:
    path = tmp_path / "hostile\x1b[2J.aimodel"
    shutil.copytree(assets / "fp32.aimodel", path)
    said = json.loads((path / program.METADATA).read_text())
    said["author"] = "\x1b]0;owned\x07 [red]\n\u202e"
    said["creatorDefinedMetadata"]["\x1b[31mkey"] = "\x9b2J"
    (path / program.METADATA).write_text(json.dumps(said))
    for options in ((), ("--json",), ("--compare", str(assets / "int8.aimodel"))):
        done = pe_validate(str(path), *options)
        assert done.returncode == 0, done.stderr
        assert all(character.isprintable() or character == "\n" for character in done.stdout)
        assert "owned" in done.stdout
        assert "[red]" in done.stdout


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
@pytest.mark.parametrize("member", [program.BYTECODE, program.METADATA])
def test_a_mutated_asset_is_inspected_or_refused_in_a_sentence(
    assets: Path, tmp_path: Path, member: str, count: int
) -> None:
    path = tmp_path / "mutated.aimodel"
    shutil.copytree(assets / "int8.aimodel", path)
    (path / program.HASH).unlink()
    content, told = (path / member).read_bytes(), 0
    for index in range(count):
        (path / member).write_bytes(mutation(content, member, index))
        try:
            isolated_inspection(path)
            told += 1
        except RunError as error:
            said = str(error)
            assert is_sentence(said), f"mutation {index} of {member}: {said!r}"
    assert 0 < told < count, "mutations that are all harmless, or all refused, show nothing"
