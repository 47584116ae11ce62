"""``pe-validate classes`` makes the table that Meta's own code would give, and that an app takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import commands
import numpy as np
import pytest
from commands import Done
from places import FIXTURES
from safetensors import safe_open
from safetensors.numpy import load_file

from pe_validate.models.classes import check_classes
from pe_validate.models.perception_encoder.text.published import templates
from pe_validate.models.registry import load_weights

MODEL = "PE-Core-S16-384"
REFERENCE = FIXTURES / "reference" / "text"
FACTS = json.loads((REFERENCE / "index.json").read_text())[MODEL]


@pytest.fixture
def pe_validate(tmp_path: Path) -> Callable[..., Done]:
    return partial(commands.pe_validate, folder=tmp_path)


def test_the_table_is_that_of_metas_own_code_and_says_what_it_was_made_of(
    pe_validate: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(FACTS["templates"]))
    done = pe_validate("classes", *FACTS["classes"], "--model", MODEL, "--templates", "prompts.txt", "--quiet")
    assert done.returncode == 0, done.stderr
    made = tmp_path / "classes.safetensors"
    assert check_classes(made, MODEL)
    expected = load_file(REFERENCE / f"{MODEL}-text.safetensors")["classifier"]
    np.testing.assert_allclose(load_file(made)["embeddings"], expected, atol=1e-6)
    with safe_open(made, "np") as file:
        about = file.metadata()
    assert json.loads(about["labels"]) == FACTS["classes"]
    assert json.loads(about["templates"]) == FACTS["templates"]
    assert about["weights_sha256"] == load_weights(f"{MODEL}-text").sha256
    assert about["computed_by"].startswith(f"{MODEL}-text/eager/fp32, PyTorch")


def test_an_artifact_can_compute_it_and_labels_that_are_cut_are_said(
    pe_validate: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("cat\n\n" + "very " * 40 + "old dog\n")
    done = pe_validate("classes", "--labels", "labels.txt", "--model", MODEL, "--with", f"{MODEL}-text/pt2", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "old dog' is cut: its prompt has 47 tokens, and 30 fit." in done.stderr
    with safe_open(tmp_path / "classes.safetensors", "np") as file:
        assert file.metadata()["computed_by"].startswith(f"{MODEL}-text/pt2/fp32, PyTorch")
        embeddings = file.get_tensor("embeddings")
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-6)


def test_the_eighty_templates_are_those_of_clip() -> None:
    assert len(set(templates())) == len(templates()) == 80
    assert all(template.count("{}") == 1 for template in templates())
    assert (templates()[0], templates()[-1]) == ("a bad photo of a {}.", "a tattoo of the {}.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cat",), "Say with --model whose classes these are"),
        (("--model", MODEL), "Name the classes: labels on the command line, or a file with --labels."),
        (("cat", "cat", "--model", MODEL), "The label 'cat' is there twice."),
        (("cat", "--model", "PE-Spatial-S16-512"), "PE-Spatial-S16-512 has no text tower: choose one of PE-Core-T16"),
        (("cat", "--model", "PE-Core-S16"), "Unknown model 'PE-Core-S16'"),
        (("cat", "--model", MODEL, "--with", "PE-Nano/onnx"), "is no artifact of PE-Core-S16-384-text"),
        (("cat", "--model", MODEL, "--templates", "bad.txt"), "The template 'a photo' in 'bad.txt' needs one '{}'"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    pe_validate: Callable[..., Done], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "bad.txt").write_text("a photo\n")
    done = pe_validate("classes", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "classes.safetensors").exists()


def test_a_file_that_is_not_there_is_one_sentence(pe_validate: Callable[..., Done]) -> None:
    done = pe_validate("classes", "--labels", "nowhere.txt", "--model", MODEL)
    assert done.returncode == 3
    assert "'nowhere.txt' cannot be read (No such file or directory)." in done.stderr
