"""Goldens are never written by accident, and never changed unseen."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import commands
import numpy as np
import pytest
from places import FIXTURES, ROOT
from places import GOLDENS as COMMITTED
from safetensors.numpy import load_file, save

from pe_validate.gates import limits
from pe_validate.goldens import golden, seals
from pe_validate.goldens.inputs import STORED
from pe_validate.inputs import images
from pe_validate.measure import budget
from pe_validate.models.perception_encoder.vision.config import MODELS
from pe_validate.models.registry import WITH_GOLDENS, load_weights
from pe_validate.system.errors import GoldenError
from pe_validate.system.files import digest

MODEL = "PE-Core-T16-384"
TABLES = ("forms", "machines", "reasons", "targets")
Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    golden.update(folder, [MODEL])
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "golden"))


def file_of(folder: Path) -> Path:
    return folder / golden.read_manifest(folder).goldens[MODEL].file


def test_what_was_just_written_passes(made: Path) -> None:
    assert [verdict.status for verdict in golden.check(made, [MODEL])] == ["pass"]


def test_update_is_reproducible(made: Path, tmp_path: Path) -> None:
    golden.update(tmp_path, [MODEL])
    assert golden.read_manifest(tmp_path) == golden.read_manifest(made)


def test_the_committed_goldens_are_those_of_today(made: Path) -> None:
    assert golden.read(COMMITTED, MODEL).inputs.keys() == golden.read(made, MODEL).inputs.keys()
    assert [verdict.status for verdict in golden.check(COMMITTED, [MODEL])] == ["pass"]


def test_an_altered_golden_is_noticed(folder: Path) -> None:
    path = file_of(folder)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(GoldenError, match="was altered"):
        list(golden.check(folder, [MODEL]))


def test_a_missing_golden_is_noticed(folder: Path) -> None:
    file_of(folder).unlink()
    with pytest.raises(GoldenError, match="is missing"):
        list(golden.check(folder, [MODEL]))


def test_a_model_that_the_manifest_forgot_is_noticed(folder: Path) -> None:
    with pytest.raises(GoldenError, match="has no golden of PE-Core-S16-384"):
        list(golden.check(folder, ["PE-Core-S16-384"]))


@pytest.mark.parametrize("model", MODELS)
def test_every_committed_golden_is_whole(model: str) -> None:
    assert golden.read(COMMITTED, model).inputs.keys() == set(STORED)


def test_every_model_that_is_checked_has_a_committed_golden() -> None:
    assert golden.read_manifest(COMMITTED).goldens.keys() == set(WITH_GOLDENS)


def test_every_limit_and_every_fixture_is_sealed() -> None:
    golden.check_seals(COMMITTED)
    fixtures = [path for path in FIXTURES.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".md")]
    files = {path.relative_to(ROOT).as_posix(): path for path in fixtures}
    files |= {f"limits/{name}.toml": limits.HERE / f"{name}.toml" for name in TABLES}
    files |= {"budgets.toml": budget.TABLE, seals.COSTS: COMMITTED / seals.COSTS}
    assert {path.name for path in limits.HERE.glob("*.toml")} == {f"{name}.toml" for name in TABLES}
    assert golden.read_manifest(COMMITTED).sealed == {name: digest(path) for name, path in files.items()}


def test_every_model_that_meta_published_has_a_sealed_answer_of_its_own_code() -> None:
    published = {f"fixtures/reference/{model}.safetensors" for model in MODELS if model != "PE-Nano"}
    assert {*published, "fixtures/reference/index.json"} < golden.read_manifest(COMMITTED).sealed.keys()


def alter_a_limit(root: Path) -> None:
    table = root / "limits" / "targets.toml"
    assert "snr_db = 107" in table.read_text()
    table.write_text(table.read_text().replace("snr_db = 107", "snr_db = 7"))


def drop_a_limit(root: Path) -> None:
    table = root / "limits" / "targets.toml"
    table.write_text(table.read_text().replace("[onnx.fp32.identity]", "[onnx.fp64.identity]"))


def alter_a_limit_of_a_machine(root: Path) -> None:
    table = root / "limits" / "machines.toml"
    table.write_text(table.read_text().replace("snr_db = ", "snr_db = -"))


def alter_a_limit_of_a_form(root: Path) -> None:
    table = root / "limits" / "forms.toml"
    table.write_text(table.read_text().replace("snr_db = ", "snr_db = -"))


def add_a_table_of_limits(root: Path) -> None:
    (root / "limits" / "another.toml").touch()


def alter_a_budget(root: Path) -> None:
    table = root / "budgets.toml"
    table.write_text(table.read_text().replace("milliseconds = 33.3", "milliseconds = 333"))


def alter_a_photograph(root: Path) -> None:
    with (root / "images" / "china.jpg").open("ab") as file:
        file.write(b"\0")


def drop_a_photograph(root: Path) -> None:
    (root / "images" / "china.jpg").unlink()


def add_a_photograph(root: Path) -> None:
    (root / "images" / "another.jpg").write_bytes(b"")


def alter_an_answer_of_metas_code(root: Path) -> None:
    path = root / "reference" / f"{MODEL}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def drop_the_answers_of_metas_code(root: Path) -> None:
    shutil.rmtree(root / "reference")


CHANGES = (
    alter_a_limit,
    drop_a_limit,
    alter_a_limit_of_a_machine,
    alter_a_limit_of_a_form,
    add_a_table_of_limits,
    alter_a_budget,
    alter_a_photograph,
    drop_a_photograph,
    add_a_photograph,
    alter_an_answer_of_metas_code,
    drop_the_answers_of_metas_code,
)


@pytest.fixture
def sealed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of everything that is sealed, in the place of the project's own."""
    for name in seals.SEALED:
        shutil.copytree(FIXTURES / name, tmp_path / name)
    tables = Path(shutil.copytree(limits.HERE, tmp_path / "limits"))
    monkeypatch.setattr(limits, "HERE", tables)
    monkeypatch.setattr(budget, "TABLE", shutil.copyfile(budget.TABLE, tmp_path / budget.TABLE.name))
    monkeypatch.setattr(seals, "shipped", lambda name: tmp_path)
    golden.check_seals(COMMITTED)
    return tmp_path


@pytest.mark.parametrize("change", CHANGES)
def test_a_limit_or_a_fixture_that_was_touched_is_noticed(change: Callable[[Path], None], sealed_files: Path) -> None:
    change(sealed_files)
    with pytest.raises(GoldenError, match="is not what it was"):
        golden.check_seals(COMMITTED)


def test_a_typo_in_a_readme_breaks_no_seal(sealed_files: Path) -> None:
    written = [*sealed_files.rglob("*.md"), *sealed_files.rglob("*.py")]
    assert {path.name for path in written} >= {"README.md", "LICENSES.md", "train.py"}
    for path in written:
        path.write_text(path.read_text() + "A tpyo.")
    (sealed_files / "images" / "NOTES.md").write_text("A new page.")
    golden.check_seals(COMMITTED)
    assert not any(name.endswith((".md", ".py")) for name in golden.read_manifest(COMMITTED).sealed)


def test_the_conversion_suite_is_red_when_a_limit_was_touched(tmp_path: Path) -> None:
    tables = shutil.copytree(limits.HERE, tmp_path / "limits")
    alter_a_limit(tmp_path)
    (tmp_path / "spoil.py").write_text(
        f"from pathlib import Path\nfrom pe_validate.gates import limits\nlimits.HERE = Path({str(tables)!r})\n"
    )
    suite = ROOT / "tests" / "conversion" / "test_goldens.py"
    done = commands.pytest("-q", "-p", "spoil", "--pe-cases", "PE-Nano/onnx/fp32", suite, folder=tmp_path)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "GoldenError: 'limits/targets.toml' is not what it was" in done.stdout


def test_an_installed_package_holds_goldens_to_the_fixtures_that_come_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixtures = tmp_path / "fixtures"
    for name in seals.SEALED - {seals.REFERENCE}:
        shutil.copytree(FIXTURES / name, fixtures / name)
    monkeypatch.setattr(seals, "shipped", lambda name: fixtures)
    monkeypatch.setattr(seals, "__file__", str(tmp_path / "goldens" / "seals.py"))
    golden.check_seals(COMMITTED)
    shutil.copytree(COMMITTED, tmp_path / "golden")
    golden.update(tmp_path / "golden", ["PE-Nano"])
    assert golden.read_manifest(tmp_path / "golden") == golden.read_manifest(COMMITTED), "an update keeps the others"
    drop_a_photograph(fixtures)
    with pytest.raises(GoldenError, match=r"'fixtures/images/china\.jpg' is not what it was"):
        golden.check_seals(COMMITTED)


@pytest.mark.parametrize("content", [None, b"{}"], ids=["deleted", "emptied"])
def test_costs_that_were_touched_are_noticed(content: bytes | None, tmp_path: Path) -> None:
    for file in (golden.MANIFEST, seals.COSTS):
        shutil.copyfile(COMMITTED / file, tmp_path / file)
    golden.check_seals(tmp_path)
    (tmp_path / seals.COSTS).write_bytes(content) if content else (tmp_path / seals.COSTS).unlink()
    with pytest.raises(GoldenError, match=r"'arm64-costs\.json' is not what it was"):
        golden.check_seals(tmp_path)


def test_preprocessing_that_makes_other_pixels_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squash = images.squash
    monkeypatch.setattr(images, "squash", lambda *given: np.clip(squash(*given), 2, 255))
    with pytest.raises(GoldenError, match="another image of 'china'"):
        list(golden.check(folder, [MODEL]))


def edit(folder: Path, **changes: object) -> None:
    path = folder / golden.MANIFEST
    manifest = json.loads(path.read_text())
    manifest["goldens"][MODEL] |= changes
    path.write_text(json.dumps(manifest))


def test_other_limits_than_the_tables_are_noticed(folder: Path) -> None:
    loose = {"max_rel": 9.0, "snr_db": 1.0, "cosine": 0.0}
    edit(folder, tolerances={"onnx/fp32": loose})
    with pytest.raises(GoldenError, match="other limits than the tables of limits"):
        list(golden.check(folder, [MODEL]))


def set_budgets(folder: Path, budgets: object) -> None:
    path = folder / golden.MANIFEST
    manifest = json.loads(path.read_text())
    manifest["budgets"] = budgets
    path.write_text(json.dumps(manifest))


def test_another_budget_than_the_tables_is_noticed(folder: Path) -> None:
    found = json.loads((folder / golden.MANIFEST).read_text())["budgets"]
    found[MODEL][0]["milliseconds"] = 333.0
    set_budgets(folder, found)
    with pytest.raises(GoldenError, match=r"other limits than budgets\.toml"):
        list(golden.check(folder, [MODEL]))


def test_missing_budgets_are_noticed(folder: Path) -> None:
    set_budgets(folder, {})
    with pytest.raises(GoldenError, match=r"other limits than budgets\.toml"):
        list(golden.check(folder, [MODEL]))


def test_an_update_keeps_answers_that_the_model_still_gives(folder: Path) -> None:
    path, images = file_of(folder), load_file(file_of(folder))
    elsewhere = save({"images": images["images"], "features": np.nextafter(images["features"], np.float32(9))})
    path.write_bytes(elsewhere)
    edit(folder, sha256=hashlib.sha256(elsewhere).hexdigest(), tolerances={})
    set_budgets(folder, {})
    golden.update(folder, [MODEL])
    assert path.read_bytes() == elsewhere, "another CPU rounds otherwise"
    assert [verdict.status for verdict in golden.check(folder, [MODEL])] == ["pass"], "limits are today's"


@pytest.mark.parametrize("name", ["images", "features"])
def test_an_update_replaces_what_the_model_does_not_say_any_more(folder: Path, made: Path, name: str) -> None:
    path, tensors = file_of(folder), load_file(file_of(folder))
    tensors[name] = tensors[name][::-1].copy()
    path.write_bytes(save(tensors))
    edit(folder, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    golden.update(folder, [MODEL])
    assert file_of(folder).read_bytes() == file_of(made).read_bytes()


def test_an_update_takes_away_its_own_leftovers_and_no_other_file(folder: Path) -> None:
    theirs = [folder / MODEL / "my-checkpoint.safetensors", folder / "mine" / f"{0:016x}.safetensors"]
    for path in (*theirs, left := folder / MODEL / f"{0:016x}.safetensors"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    golden.update(folder, [MODEL])
    assert all(path.exists() for path in theirs)
    assert not left.exists()


def elsewhere(path: Path) -> Path:
    """What was at ``path`` is beside its folder, and ``path`` a link to it."""
    moved = path.rename(path.parent.parent / f"elsewhere-{path.name}")
    path.symlink_to(moved)
    return moved


@pytest.mark.parametrize("linked", [MODEL, "PE-Nano"], ids=["updated", "another"])
def test_an_update_touches_no_file_of_a_models_folder_that_lies_elsewhere(folder: Path, linked: str) -> None:
    (folder / linked).mkdir(exist_ok=True)
    (folder / linked / f"{0:016x}.safetensors").write_bytes(b"mine")
    outside = elsewhere(folder / linked)
    before = {path: path.read_bytes() for path in outside.iterdir()}
    with pytest.raises(GoldenError, match="is a link, and files elsewhere would be replaced"):
        golden.update(folder, [MODEL], weights="seed:8")
    assert {path: path.read_bytes() for path in outside.iterdir()} == before


def test_an_update_takes_one_models_folder_for_no_others(folder: Path) -> None:
    (folder / "PE-Nano").symlink_to(MODEL)
    with pytest.raises(GoldenError, match="is a link"):
        golden.update(folder, ["PE-Nano"])
    assert golden.read(folder, MODEL)


def test_an_update_goes_into_a_folder_that_is_named_by_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    golden.update(tmp_path / "link", [MODEL])
    assert [verdict.status for verdict in golden.check(folder, [MODEL])] == ["pass"]


HOSTILE: dict[str, Callable[[Tensors], Tensors]] = {
    "no features": lambda t: {"images": t["images"]},
    "no inputs": lambda t: {name: tensor[:0] for name, tensor in t.items()},
    "scalars": lambda t: {name: np.array(1, np.float32) for name in t},
    "other pixels": lambda t: t | {"images": t["images"][:, :7]},
    "pixels of another type": lambda t: t | {"images": t["images"].astype(np.float64)},
    "features of another type": lambda t: t | {"features": t["features"].astype(np.int8)},
    "features of another width": lambda t: t | {"features": t["features"][:, :5]},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_golden_of_another_shape_is_refused_although_its_manifest_agrees(
    folder: Path, change: Callable[[Tensors], Tensors]
) -> None:
    path = file_of(folder)
    path.write_bytes(save({name: np.array(tensor) for name, tensor in change(load_file(path)).items()}))
    edit(folder, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(GoldenError, match="does not hold the inputs of its manifest"):
        list(golden.check(folder, [MODEL]))


@pytest.mark.parametrize(
    ("inputs", "said"), [(["china", "none"], "an input 'none', which"), (["china"], "does not hold"), ([], "does not")]
)
def test_a_golden_of_other_images_is_refused(folder: Path, inputs: list[str], said: str) -> None:
    edit(folder, inputs=inputs)
    with pytest.raises(GoldenError, match=said):
        list(golden.check(folder, [MODEL]))


def test_goldens_are_made_of_the_weights_that_were_asked_for(folder: Path) -> None:
    golden.update(folder, [MODEL], weights="seed:8")
    entry = golden.read_manifest(folder).goldens[MODEL]
    assert (entry.weights, entry.weights_sha256) == ("seed:8", load_weights(MODEL, "seed:8").sha256)
    assert [verdict.status for verdict in golden.check(folder, [MODEL])] == ["pass"]


def test_other_weights_than_the_manifests_are_noticed(folder: Path) -> None:
    edit(folder, weights="seed:8")
    with pytest.raises(GoldenError, match="made with other weights"):
        list(golden.check(folder, [MODEL]))


@pytest.mark.parametrize("spec", ["hf:attacker/evil", "file:/dev/zero", "", "elsewhere"])
def test_a_manifest_fetches_no_weights(folder: Path, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(folder, weights=spec)
    monkeypatch.setattr(golden, "load_weights", lambda *_: pytest.fail("it loads them"))
    with pytest.raises(GoldenError, match=f"was made with '{spec}': say with --weights"):
        list(golden.check(folder, [MODEL]))


def test_another_model_fails_its_golden(folder: Path) -> None:
    edit(folder, weights="seed:8", weights_sha256=load_weights(MODEL, "seed:8").sha256)
    assert [verdict.status for verdict in golden.check(folder, [MODEL])] == ["fail"]


@pytest.mark.parametrize("file", ["../outside.safetensors", "/etc/passwd"])
def test_a_manifest_that_points_outside_is_refused(folder: Path, file: str) -> None:
    edit(folder, file=file)
    with pytest.raises(GoldenError, match="points outside"):
        golden.read(folder, MODEL)


def test_a_garbled_manifest_is_refused(folder: Path) -> None:
    (folder / golden.MANIFEST).write_text("{}")
    with pytest.raises(GoldenError, match="is not a manifest"):
        golden.read(folder, MODEL)


@pytest.mark.parametrize("file", ["PE-Nano/\0", "PE-Nano/loop", f"PE-Nano/{'long' * 100}"], ids=["NUL", "loop", "long"])
def test_a_manifest_that_points_nowhere_is_one_sentence(folder: Path, file: str) -> None:
    (folder / "PE-Nano").mkdir()
    (folder / "PE-Nano" / "loop").symlink_to("loop")
    edit(folder, file=file)
    with pytest.raises(GoldenError, match=r"leads nowhere \(|cannot be read \(") as failure:
        golden.read(folder, MODEL)
    assert "\0" not in str(failure.value)


def test_a_models_folder_that_links_to_itself_is_one_sentence(folder: Path) -> None:
    shutil.rmtree(folder / MODEL)
    (folder / MODEL).symlink_to(MODEL)
    for refuse in (lambda: golden.read(folder, MODEL), lambda: golden.update(folder, [MODEL])):
        with pytest.raises(GoldenError, match=r"leads nowhere|cannot be read|is a link"):
            refuse()


def put_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def put_a_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def put_too_much(path: Path) -> None:
    os.truncate(path, 2**40)


UNREADABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe": (put_a_pipe, "it is not a plain file"),
    "a folder": (put_a_folder, "it is not a plain file"),
    "a link to itself": (put_a_link_to_itself, "link"),
    "a terabyte": (put_too_much, "are not plausible"),
}


@pytest.mark.parametrize("name", ["manifest", "golden"])
@pytest.mark.parametrize(("spoil", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_said_to_be_there(
    folder: Path, name: str, spoil: Callable[[Path], None], why: str
) -> None:
    spoil(folder / golden.MANIFEST if name == "manifest" else file_of(folder))
    with pytest.raises(GoldenError, match=why) as failure:
        golden.read(folder, MODEL)
    assert "missing" not in str(failure.value)


def refuse_to_read(path: Path) -> bytes:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.parametrize("name", ["manifest.json", ".safetensors"])
def test_what_must_not_be_read_is_said_to_be_there(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda p: refuse_to_read(p) if p.name.endswith(name) else read(p))
    with pytest.raises(GoldenError, match=r"cannot be read \(Permission denied\)"):
        golden.read(folder, MODEL)


def test_costs_that_cannot_be_read_are_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "sealed", lambda goldens: refuse_to_read(goldens / seals.COSTS))
    with pytest.raises(GoldenError, match=r"arm64-costs\.json' cannot be read \(Permission denied\)"):
        golden.check_seals(folder)


def test_a_folder_whose_name_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 100)
    with pytest.raises(GoldenError, match="File name too long"):
        golden.read(folder, MODEL)
    with pytest.raises(GoldenError, match="File name too long"):
        golden.update(folder, [MODEL])
