"""A phone is given all of it or what it had, and nothing that is not what its manifest says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import commands
import numpy as np
import pytest
from commands import Done
from places import GOLDENS
from safetensors.numpy import save_file

from pe_validate.case import Case, default_cases
from pe_validate.goldens import bundle as bundling
from pe_validate.goldens import golden
from pe_validate.goldens.bundle import CLASSES, bundle
from pe_validate.inputs.cache import default_cache_dir
from pe_validate.models.perception_encoder.text.phone import LICENCE, TOKENIZER
from pe_validate.models.registry import model_named
from pe_validate.system.errors import ExportError, GoldenError, LoadError, PEValidateError, UsageError
from pe_validate.system.files import digest, size
from pe_validate.targets.registry import file_name, targets

MODEL = "PE-Nano"
CASES = (Case(MODEL, "onnx", "fp32"), Case(MODEL, "mlpackage", "fp16"))
ASSET = Case(MODEL, "coreai", "fp16")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "Resources"
    bundle(CASES, out, GOLDENS, cache_dir=default_cache_dir())
    return out


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "work" / "Resources"))


@pytest.fixture
def goldens(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDENS, tmp_path / "golden", ignore=lambda _, names: [n for n in names if "Sp" in n]))


@pytest.fixture
def ios_bundle(tmp_path: Path) -> Callable[..., Done]:
    def call(*arguments: object) -> Done:
        options = ("--quiet", "--cache-dir", default_cache_dir())
        return commands.pe_validate("ios", "bundle", *options, *arguments, folder=tmp_path)

    return call


def table(path: Path, dim: int = 64, labels: object = ("cat", "dog"), rows: int = 2) -> Path:
    embeddings = np.arange(1, rows * dim + 1, dtype=np.float32).reshape(rows, dim)
    save_file({"embeddings": embeddings}, path, {"labels": json.dumps(labels)})
    return path


def manifest_of(folder: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((folder / "manifest.json").read_text())
    return found


def test_everything_that_the_manifest_names_is_there_and_nothing_else(made: Path) -> None:
    entry = golden.read_manifest(GOLDENS).goldens[MODEL]
    named = {file_name(case) for case in CASES} | {"manifest.json", MODEL}
    assert {path.name for path in made.iterdir()} == named
    assert [path.name for path in (made / MODEL).iterdir()] == [Path(entry.file).name]
    assert [path.name for path in made.parent.iterdir()] == [made.name], "no scratch is left"


def test_artifacts_are_what_the_manifest_says_of_them(made: Path) -> None:
    section = json.loads((made / "manifest.json").read_text())["bundle"]
    assert [row["case"] for row in section["artifacts"]] == [str(case) for case in CASES]
    for row, case in zip(section["artifacts"], CASES, strict=True):
        path = made / row["file"]
        assert path.name == file_name(case)
        assert (row["sha256"], row["bytes"]) == (digest(path), size(path))
        assert (row["model"], row["target"], row["precision"]) == (case.model, case.target, case.precision)
        assert row["input"] == {"name": "image", "shape": [1, 3, 64, 64], "dtype": "float32"}
        assert row["output"] == {"name": "features", "shape": [1, 64], "dtype": "float32"}
        assert row["weights_sha256"] == manifest_of(GOLDENS)["goldens"][MODEL]["weights_sha256"]  # type: ignore[index]
    assert {"pe-validate", "torch", "onnx", "coremltools"} <= section["tool_versions"].keys()


def test_goldens_limits_and_budgets_are_those_of_the_repository(made: Path) -> None:
    bundled, committed = manifest_of(made), manifest_of(GOLDENS)
    assert bundled["goldens"] == {MODEL: committed["goldens"][MODEL]}
    assert bundled["budgets"] == {MODEL: committed["budgets"][MODEL]}
    sealed = dict(golden.read_manifest(GOLDENS).sealed)
    del sealed["arm64-costs.json"]  # it is not carried
    assert golden.read_manifest(made).sealed == sealed
    golden.check_seals(made)
    stored = golden.read(made, MODEL)
    assert np.array_equal(stored.outputs.features["china"], golden.read(GOLDENS, MODEL).outputs.features["china"])


def test_what_is_recommended_runs_on_a_phone() -> None:
    on_phones = {target.name for target in targets().values() if target.on_phones and target.recommended}
    assert {case.target for case in default_cases(on_phones=True)} == on_phones


def test_a_core_ai_asset_is_carried_whole_with_its_limits_and_budget(out: Path) -> None:
    (artifact,) = bundle((ASSET,), out, GOLDENS, cache_dir=default_cache_dir()).artifacts
    asset = out / artifact.file
    assert {path.name for path in asset.iterdir()} == {"main.mlirb", "main.hash", "metadata.json"}
    assert (digest(asset), size(asset)) == (artifact.sha256, artifact.bytes)
    assert (artifact.input.dtype, artifact.output.dtype) == ("float32", "float32")
    manifest = golden.read_manifest(out)
    assert manifest.goldens[MODEL].tolerances[ASSET.kind].snr_db > 0
    (budget,) = (each for each in manifest.budgets[MODEL] if (each.target, each.precision) == (ASSET.target, "fp16"))
    assert budget.milliseconds == 33.3


def test_another_bundle_replaces_the_old_one_whole(out: Path) -> None:
    bundle(CASES[1:], out, GOLDENS, cache_dir=default_cache_dir())
    assert {path.name for path in out.iterdir()} == {file_name(CASES[1]), "manifest.json", MODEL}
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def flip_a_bit(goldens: Path) -> None:
    path = goldens / golden.read_manifest(goldens).goldens[MODEL].file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def lose_it(goldens: Path) -> None:
    (goldens / golden.read_manifest(goldens).goldens[MODEL].file).unlink()


def put_a_pipe(goldens: Path) -> None:
    lose_it(goldens)
    os.mkfifo(goldens / golden.read_manifest(goldens).goldens[MODEL].file)


def put_a_pipe_for_the_manifest(goldens: Path) -> None:
    (goldens / golden.MANIFEST).unlink()
    os.mkfifo(goldens / golden.MANIFEST)


def rewrite(goldens: Path, change: Callable[[dict[str, dict[str, object]]], object]) -> None:
    manifest = manifest_of(goldens)
    change(manifest)
    (goldens / "manifest.json").write_text(json.dumps(manifest))


def loosen_a_limit(goldens: Path) -> None:
    rewrite(goldens, lambda m: m["goldens"][MODEL]["tolerances"]["onnx/fp32"].update(snr_db=1.0))  # type: ignore[index]


def loosen_a_budget(goldens: Path) -> None:
    rewrite(goldens, lambda m: m["budgets"][MODEL][0].update(milliseconds=1e9))  # type: ignore[index]


def change_a_seal(goldens: Path) -> None:
    rewrite(goldens, lambda m: m["sealed"].update({"fixtures/images/china.jpg": "0" * 64}))


def claim_other_weights(goldens: Path) -> None:
    rewrite(goldens, lambda m: m["goldens"][MODEL].update(weights_sha256="0" * 64))  # type: ignore[attr-defined]


STALE_OR_TAMPERED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a bit": (flip_a_bit, "was altered"),
    "missing": (lose_it, "is missing"),
    "a limit": (loosen_a_limit, "other limits than the tables of limits"),
    "a budget": (loosen_a_budget, "other limits than budgets.toml"),
    "a fixture": (change_a_seal, "is not what it was"),
    "a pipe": (put_a_pipe, "it is not a plain file"),
    "a manifest that is a pipe": (put_a_pipe_for_the_manifest, "it is not a plain file"),
    "weights": (claim_other_weights, "was made with 'seed:7' and not with today's 'seed:7'"),
}


@pytest.mark.parametrize(("spoil", "said"), STALE_OR_TAMPERED.values(), ids=STALE_OR_TAMPERED)
def test_a_stale_or_tampered_golden_is_refused_and_the_old_bundle_stays(
    goldens: Path, out: Path, spoil: Callable[[Path], None], said: str
) -> None:
    before = digest(out)
    spoil(goldens)
    with pytest.raises(GoldenError, match=said):
        bundle(CASES, out, goldens, cache_dir=default_cache_dir())
    assert digest(out) == before
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_goldens_of_other_weights_are_refused_with_the_way_to_make_some(out: Path) -> None:
    with pytest.raises(GoldenError, match=f"golden --update {MODEL} --weights trained --dir FOLDER"):
        bundle(CASES, out, GOLDENS, "trained", cache_dir=default_cache_dir())


def test_own_weights_are_bundled_with_their_own_goldens(tmp_path: Path) -> None:
    golden.update(tmp_path / "golden", [MODEL], weights="trained")
    made = bundle(CASES[:1], tmp_path / "out", tmp_path / "golden", "trained", cache_dir=default_cache_dir())
    assert made.artifacts[0].weights == "trained"


def fail_to_exchange(*_: Path) -> None:
    raise OSError(28, "No space left on device")


def test_a_failure_at_the_last_moment_leaves_the_old_bundle(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(out)
    monkeypatch.setattr(bundling, "exchange", fail_to_exchange)
    with pytest.raises(ExportError, match="No space left on device"):
        bundle(CASES[:1], out, GOLDENS, cache_dir=default_cache_dir())
    assert digest(out) == before
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_failed_export_leaves_the_old_bundle(out: Path, tmp_path: Path) -> None:
    before = digest(out)
    (tmp_path / "file").touch()
    with pytest.raises(ExportError):
        bundle(CASES[:1], out, GOLDENS, cache_dir=tmp_path / "file")
    assert digest(out) == before


NO_BUNDLES = {
    "none": None,
    "an object": "{}",
    "an array": '["bundle"]',
    "no JSON": "not JSON",
    "a text": '"my bundle notes"',
    "a number": "5",
    "depth": "[" * 100_000,
    "another's bundle": '{"bundle": {"artifacts": [], "classes": {}, "tool_versions": {}}}',
    "goldens": (GOLDENS / "manifest.json").read_text(),
    "goldens and notes": (GOLDENS / "manifest.json").read_text().rstrip()[:-1] + ', "bundle": "notes"}',
}


@pytest.mark.parametrize("manifest", NO_BUNDLES.values(), ids=NO_BUNDLES)
def test_a_folder_that_is_not_a_bundle_is_not_replaced(tmp_path: Path, manifest: str | None) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(UsageError, match="is not a bundle and would be replaced"):
        bundle(CASES, tmp_path, GOLDENS, cache_dir=default_cache_dir())
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_manifest_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(UsageError, match="is not a bundle and would be replaced"):
        bundle(CASES, tmp_path, GOLDENS, cache_dir=default_cache_dir())


@pytest.mark.parametrize("name", ["thesis.txt", f"{MODEL}/thesis.txt", "chapters/1/thesis.txt", ".git/HEAD"])
def test_a_bundle_in_which_there_is_something_else_is_not_replaced(out: Path, name: str) -> None:
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_text("years of work")
    before = digest(out)
    with pytest.raises(UsageError, match=f"{name}' is not the bundle's, and all of"):
        bundle(CASES, out, GOLDENS, cache_dir=default_cache_dir())
    assert digest(out) == before


def test_a_bundle_that_the_finder_has_shown_is_replaced(out: Path) -> None:
    (out / MODEL / ".DS_Store").touch()
    bundle(CASES[1:], out, GOLDENS, cache_dir=default_cache_dir())
    assert not (out / MODEL / ".DS_Store").exists()


@pytest.mark.parametrize("name", ["long" * 100, f"{'long' * 100}/out"], ids=["itself", "its parent"])
def test_a_folder_that_can_have_no_such_name_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match=r"Cannot write to .* \(File name too long\)"):
        bundle(CASES, tmp_path / name, GOLDENS, cache_dir=default_cache_dir())


def test_a_folder_that_must_not_be_looked_into_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ExportError, match=r"Cannot write to .* \(Permission denied\)"):
        bundle(CASES, tmp_path, GOLDENS, cache_dir=default_cache_dir())


def test_class_embeddings_are_bundled_beside_their_models_goldens(out: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "classes.safetensors")
    for _ in range(2):  # and one with a table is replaced like any other
        made = bundle(CASES[:1], out, GOLDENS, classes={MODEL: path}, cache_dir=default_cache_dir())
    assert made.classes == {MODEL: digest(path)}
    assert manifest_of(out)["bundle"]["classes"] == made.classes
    assert (out / MODEL / CLASSES).read_bytes() == path.read_bytes()


def test_the_tokenizer_is_bundled_with_its_licences_and_replaced_like_the_rest(out: Path) -> None:
    assert "tokenizer" not in manifest_of(out)["bundle"]
    for _ in range(2):
        made = bundle(CASES[:1], out, GOLDENS, tokenizer=True, cache_dir=default_cache_dir())
    assert made.tokenizer == manifest_of(out)["bundle"]["tokenizer"] == digest(out / TOKENIZER)
    licences = (out / LICENCE).read_text(encoding="utf-8")
    assert "Gabriel Ilharco" in licences
    assert "Robyn Speer" in licences
    bundle(CASES[:1], out, GOLDENS, cache_dir=default_cache_dir())
    assert not {TOKENIZER, LICENCE} & {path.name for path in out.iterdir()}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dim": 63}, r"not float32 \[classes, 64\]"),
        ({"labels": ["one"]}, "1 labels for 2 embeddings"),
        ({"labels": "ab"}, "not an array of strings"),
        ({"labels": [1, 2]}, "not an array of strings"),
    ],
    ids=str,
)
def test_class_embeddings_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, object], said: str) -> None:
    path = table(tmp_path / "classes.safetensors", **options)  # type: ignore[arg-type]
    with pytest.raises(LoadError, match=said):
        bundle(CASES, tmp_path / "out", GOLDENS, classes={MODEL: path}, cache_dir=default_cache_dir())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 100, b"fifo", b"deep"])
def test_a_damaged_table_of_classes_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "classes.safetensors"
    if content == b"deep":
        save_file({"embeddings": np.ones((2, 64), np.float32)}, path, {"labels": "[" * 100_000})
        content = path.read_bytes()
    if content == b"fifo":
        os.mkfifo(path)
        content = None
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PEValidateError, match="is not a table of class embeddings"):
        bundle(CASES, tmp_path / "out", GOLDENS, classes={MODEL: path}, cache_dir=default_cache_dir())


def test_classes_of_a_model_that_has_no_image_feature_or_is_not_bundled_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "classes.safetensors", model_named("PE-Core-T16-384").output.shape[-1])
    with pytest.raises(LoadError, match="need a Core model"):
        bundle(CASES, tmp_path / "out", GOLDENS, classes={"PE-Spatial-T16-512": path})
    with pytest.raises(UsageError, match="which is not bundled"):
        bundle(CASES, tmp_path / "out", GOLDENS, classes={"PE-Core-T16-384": path})


def test_the_command_prints_files_with_their_sizes(ios_bundle: Callable[..., Done], tmp_path: Path) -> None:
    done = ios_bundle(CASES[0], "--goldens", GOLDENS, "--out", "out")
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith(f"out/{file_name(CASES[0])}  ")
    assert first.split()[2:4] == ["MB", "sha256"]
    assert first.endswith(digest(tmp_path / "out" / file_name(CASES[0])))
    assert last.startswith("out  ")


def test_the_command_names_the_tokenizer(ios_bundle: Callable[..., Done], tmp_path: Path) -> None:
    arguments = (CASES[0], "--goldens", GOLDENS, "--out", "out", "--tokenizer")
    done = ios_bundle(*arguments)
    assert done.returncode == 0, done.stderr
    sha256 = digest(tmp_path / "out" / TOKENIZER)
    assert done.stdout.splitlines()[1] == f"out/{TOKENIZER}  sha256 {sha256}"
    assert json.loads(ios_bundle(*arguments, "--json").stdout)["tokenizer"] == sha256


def test_the_command_prints_what_the_manifest_says_as_json(ios_bundle: Callable[..., Done], tmp_path: Path) -> None:
    done = ios_bundle(CASES[0], "--goldens", GOLDENS, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == manifest_of(tmp_path / "ios_xctest" / "Resources")["bundle"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("PE-Nano/tflite",), 2, "No case matches"),
        ((CASES[0], "--classes", "file.safetensors"), 2, "write MODEL=FILE"),
        ((CASES[0], "--classes", "PE-Micro=file.safetensors"), 2, "Unknown model"),
        ((CASES[0], "--goldens", "nowhere"), 3, "No goldens in 'nowhere'"),
        ((CASES[0], "--goldens", GOLDENS, "--weights", "seed:8"), 3, "was made with 'seed:7'"),
    ],
)
def test_a_request_that_fails_is_one_sentence(
    ios_bundle: Callable[..., Done], arguments: tuple[object, ...], code: int, said: str
) -> None:
    done = ios_bundle(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    (sentence,) = (line for line in done.stderr.splitlines() if line.startswith("pe-validate: "))
    assert said in sentence
