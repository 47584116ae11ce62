"""A ``.pt2`` archive that would run code when it is loaded is refused, and its code does not run."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.own.archive import check_plain
from pe_validate.system.errors import RunError
from pe_validate.targets.base import Example
from pe_validate.targets.pt2.program import Pt2Runtime, intermediates, write_pt2

METADATA = {"model": "tiny", "precision": "fp32", "weights_sha256": "0" * 64, "licence": "none"}
IMAGE = torch.linspace(-1, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 8 * 8, 4)

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.layer(image.flatten(1)).relu()
        return features


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    return Tiny().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def sound(module: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pt2") / "tiny.pt2"
    write_pt2(module, Example.of(IMAGE), path, METADATA)
    return path


class Touch:
    """Unpickling one makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.path,))


def edited(
    path: Path, out: Path, edit: Callable[[dict[str, bytes]], object], compression: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    edit(members)
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out


def named(members: dict[str, bytes], end: str) -> str:
    return next(name for name in members if name.endswith(end))


def change_json(members: dict[str, bytes], end: str, change: Callable[[Any], None]) -> None:
    name = named(members, end)
    content = json.loads(members[name])
    change(content)
    members[name] = json.dumps(content).encode()


def test_what_is_written_is_read_by_another_process_and_answers_the_same(module: nn.Module, sound: Path) -> None:
    with IsolatedRuntime(sound, "pt2", "native") as runtime:
        assert [str(spec) for spec in (*runtime.inputs, *runtime.outputs)] == [
            "image: float32[1, 3, 8, 8]",
            "features: float32[1, 4]",
        ]
        assert torch.equal(torch.from_numpy(runtime.run(IMAGE.numpy())), module(IMAGE))


def test_it_says_what_it_is(sound: Path) -> None:
    with zipfile.ZipFile(sound) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("extra/pe_validate.json")]
        assert json.loads(archive.read(name)) == METADATA


def test_its_inner_values_are_seen(module: nn.Module, sound: Path) -> None:
    values = intermediates(sound, IMAGE.numpy(), frozenset({4}))
    assert [value.shape for value in values.values()] == [(1, 4), (1, 4)]
    assert torch.equal(torch.from_numpy(list(values.values())[-1]), module(IMAGE))


def pickled_weight(members: dict[str, bytes], mark: Path) -> None:
    def change(config: Any) -> None:
        next(iter(config["config"].values()))["use_pickle"] = True

    change_json(members, "model_weights_config.json", change)
    members[named(members, "weight_0")] = pickle.dumps(Touch(mark))


def pickled_constant(members: dict[str, bytes], mark: Path) -> None:
    entry = {"path_name": "custom_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    change_json(members, "model_constants_config.json", lambda config: config["config"].update(evil=entry))
    folder = named(members, "model_constants_config.json").rpartition("/")[0]
    members[f"{folder}/custom_obj_0"] = pickle.dumps(Touch(mark))


def sample_inputs_with_code(members: dict[str, bytes], mark: Path) -> None:
    content = io.BytesIO()
    torch.save((Touch(mark),), content)
    members[named(members, "sample_inputs/model.pt")] = content.getvalue()


def legacy_weights(members: dict[str, bytes], mark: Path) -> None:
    content = io.BytesIO()
    torch.save({"evil": Touch(mark)}, content)
    folder = named(members, "model_weights_config.json").rpartition("/")[0]
    members[f"{folder}/model.pt"] = content.getvalue()


def another_function(members: dict[str, bytes], mark: Path) -> None:
    def change(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.hub.load"

    change_json(members, "models/model.json", change)


def symbolic_shape(members: dict[str, bytes], mark: Path) -> None:
    def change(program: Any) -> None:
        sizes = program["graph_module"]["graph"]["tensor_values"]["image"]["sizes"]
        code = f"__import__('pathlib').Path({str(mark)!r}).touch()"
        sizes[0] = {"as_expr": {"expr_str": code, "hint": {"as_int": 1}}}

    change_json(members, "models/model.json", change)


def compiled_library(members: dict[str, bytes], mark: Path) -> None:
    root = next(iter(members)).partition("/")[0]
    members[f"{root}/data/aotinductor/model/evil.so"] = b"\x7fELF"


@pytest.mark.parametrize(
    "plant",
    [
        pickled_weight,
        pickled_constant,
        sample_inputs_with_code,
        legacy_weights,
        another_function,
        symbolic_shape,
        compiled_library,
    ],
    ids=lambda plant: plant.__name__,
)
def test_an_archive_with_code_is_refused_and_its_code_does_not_run(
    plant: Callable[[dict[str, bytes], Path], None], sound: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    path = edited(sound, tmp_path / "evil.pt2", lambda members: plant(members, mark))
    with pytest.raises(RunError, match=r"'.*evil.pt2' .*would run as code: save the program again"):
        Pt2Runtime(path)
    assert not mark.exists()


def test_the_guards_of_an_archive_do_not_run(sound: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    guard = f"__import__('pathlib').Path({str(mark)!r}).touch() is None"

    def plant(members: dict[str, bytes]) -> None:
        change_json(members, "models/model.json", lambda program: program.update(guards_code=[guard]))

    path = edited(sound, tmp_path / "guarded.pt2", plant)
    assert Pt2Runtime(path).run(IMAGE.numpy()).shape == (1, 4)
    assert intermediates(path, IMAGE.numpy(), frozenset({4}))
    assert not mark.exists()


@pytest.mark.parametrize(
    "length",
    [
        "exit()",
        "Symbol('s1', positive=exit())",
        "Symbol(__import__('os').name)",
        "Symbol('s1; exit()')",
        "Mul(Integer(2), exit)",
        "Pow(Integer(9), Pow(Integer(9), Integer(9)))",
        "[Integer(1) for _ in ()]",
        "Symbol('s1').__class__",
        "Integer(" * 5000,
        "",
    ],
)
def test_a_length_that_is_more_than_arithmetic_is_refused(sound: Path, tmp_path: Path, length: str) -> None:
    def plant(members: dict[str, bytes]) -> None:
        def change(program: Any) -> None:
            sizes = program["graph_module"]["graph"]["tensor_values"]["image"]["sizes"]
            sizes[0] = {"as_expr": {"expr_str": length, "hint": {"as_int": 1}}}

        change_json(members, "models/model.json", change)

    with pytest.raises(RunError, match="holds a length '"):
        check_plain(edited(sound, tmp_path / "long.pt2", plant))


def test_a_compressed_archive_is_refused(sound: Path, tmp_path: Path) -> None:
    path = edited(sound, tmp_path / "small.pt2", lambda members: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(RunError, match="holds a compressed"):
        check_plain(path)


@pytest.mark.parametrize("length", [0, 10, 1000])
def test_a_truncated_archive_is_one_sentence(length: int, sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.pt2"
    path.write_bytes(sound.read_bytes()[:length])
    with pytest.raises(RunError, match=r"'.*short.pt2' is not an exported program, or truncated"):
        Pt2Runtime(path)


def test_a_missing_member_is_one_sentence(sound: Path, tmp_path: Path) -> None:
    path = edited(sound, tmp_path / "part.pt2", lambda members: members.pop(named(members, "weight_0")))
    with pytest.raises(RunError, match="cannot be loaded by PyTorch, it is damaged"):
        Pt2Runtime(path)
