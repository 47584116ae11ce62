"""What Python and Swift are both held to is what Python says today, and is reproducible from its script."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import unicodedata
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import ROOT
from safetensors.numpy import load_file

from pe_validate.data.compare import compare
from pe_validate.data.comparison import Comparison
from pe_validate.models.perception_encoder.text.feed import reference_lines
from pe_validate.models.perception_encoder.text.tokenizer import tokenized

VECTORS = ROOT / "ios_xctest" / "Vectors"
COMPARISONS = json.loads((VECTORS / "comparison_vectors.json").read_text())
PICTURES = json.loads((VECTORS / "preprocessing" / "manifest.json").read_text())
TOKENS = json.loads((VECTORS / "tokenizer_vectors.json").read_text())
RELATIVE = ("max_abs", "max_rel")

every_vector = pytest.mark.parametrize("vector", COMPARISONS["vectors"], ids=lambda vector: vector["name"])
every_picture = pytest.mark.parametrize("case", PICTURES["cases"], ids=lambda case: case["name"])


def agrees(key: str, observed: float, expected: float) -> bool:
    """The rule that the file's note states, and that Swift applies too."""
    within: float = COMPARISONS["within"][key]
    if not np.isfinite(expected):
        return observed == expected
    return abs(observed - expected) <= within * (abs(expected) if key in RELATIVE else 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors")
    subprocess.run([sys.executable, VECTORS / "make_vectors.py", folder], check=True, timeout=120)
    return folder


@every_vector
def test_comparison_says_what_the_vector_expects(vector: dict[str, Any]) -> None:
    reference, actual = (
        np.array([float(x) for x in vector[key]]).reshape(vector["shape"]) for key in ("reference", "actual")
    )
    found = compare(reference, actual)
    assert found.finite == vector["expected"]["finite"]
    for key in ("max_abs", "max_rel", "snr_db", "cosine"):
        expected = float(vector["expected"][key])
        assert agrees(key, getattr(found, key), expected), f"{key}: {getattr(found, key)}, not {expected}"


@every_vector
def test_float32_vectors_hold_nothing_else(vector: dict[str, Any]) -> None:
    if vector["dtype"] == "float32":
        values = np.array([float(x) for x in vector["reference"] + vector["actual"]])
        np.testing.assert_array_equal(values.astype(np.float32).astype(np.float64), values)


def test_the_vectors_reach_every_corner() -> None:
    values = [float(x) for v in COMPARISONS["vectors"] for x in v["reference"] + v["actual"]]
    text = {json.dumps(x) for v in COMPARISONS["vectors"] for x in v["reference"] + v["actual"]}
    assert {'"NaN"', '"Infinity"', '"-Infinity"', "0.0", "-0.0"} <= text
    finite = [abs(x) for x in values if np.isfinite(x) and x]
    assert min(finite) < np.finfo(np.float32).smallest_normal
    assert max(finite) > 1e38
    expected: list[dict[str, Any]] = [
        {key: float(x) for key, x in v["expected"].items()} for v in COMPARISONS["vectors"]
    ]
    found = {Comparison(**numbers) for numbers in expected}
    assert {0.0, np.inf} <= {c.max_rel for c in found}
    assert {np.inf, -np.inf} <= {c.snr_db for c in found}
    assert {-1.0, 0.0, 1.0} <= {c.cosine for c in found}


def test_every_name_is_given_once() -> None:
    for names in ([v["name"] for v in COMPARISONS["vectors"]], [c["name"] for c in PICTURES["cases"]]):
        assert len(set(names)) == len(names)


def test_the_comparisons_are_those_of_their_script(made: Path) -> None:
    today = json.loads((made / "comparison_vectors.json").read_text())
    assert (today["note"], today["within"]) == (COMPARISONS["note"], COMPARISONS["within"])
    for now, then in zip(today["vectors"], COMPARISONS["vectors"], strict=True):
        numbers = now.pop("expected")
        assert numbers.pop("finite") == then["expected"]["finite"]
        assert all(agrees(key, float(number), float(then["expected"][key])) for key, number in numbers.items())
        assert now == {key: value for key, value in then.items() if key != "expected"}


@every_picture
def test_the_pictures_are_those_of_their_script(made: Path, case: dict[str, Any]) -> None:
    today, committed = (load_file(folder / "preprocessing" / case["file"]) for folder in (made, VECTORS))
    np.testing.assert_array_equal(today["rgba"], committed["rgba"])
    # A release of Pillow may round a resized pixel the other way, and no further.
    steps = 0 if version("pillow") == PICTURES["tools"]["pillow"] else 1
    assert np.abs(today["expected"] - committed["expected"]).max() <= steps * 2 / 255 + 1e-6


@every_picture
def test_a_picture_is_what_its_manifest_says(case: dict[str, Any]) -> None:
    path = VECTORS / "preprocessing" / case["file"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == case["sha256"]
    tensors = load_file(path)
    assert tensors["rgba"].shape == (case["height"], case["width"], 4)
    assert tensors["rgba"].dtype == np.uint8
    assert tensors["expected"].shape == (1, 3, case["size"], case["size"])
    assert tensors["expected"].dtype == np.float32


def test_the_pictures_scale_up_down_and_out_of_shape_and_stay_small() -> None:
    factors = [(c["size"] / c["width"], c["size"] / c["height"]) for c in PICTURES["cases"]]
    assert any(x > 1 and y > 1 for x, y in factors)
    assert any(x < 1 and y < 1 for x, y in factors)
    assert any(x > 1 > y for x, y in factors)
    assert any(x == y == 1 for x, y in factors)
    folder = VECTORS / "preprocessing"
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *(c["file"] for c in PICTURES["cases"])}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


def test_the_ids_of_the_reference_lines_are_metas() -> None:
    padded = {each["text"]: each["ids"] + [0] * (each["context"] - len(each["ids"])) for each in TOKENS["reference"]}
    assert padded == reference_lines()


@pytest.mark.parametrize("kind", ["reference", "python"])
def test_python_gives_the_texts_their_ids(kind: str) -> None:
    for vector in TOKENS[kind]:
        (ids,) = tokenized([vector["text"]], vector["context"])
        assert ids.tolist() == vector["ids"] + [0] * (vector["context"] - len(vector["ids"])), vector


def test_the_texts_are_those_of_their_script(made: Path) -> None:
    assert (made / "tokenizer_vectors.json").read_text() == (VECTORS / "tokenizer_vectors.json").read_text()


def test_the_texts_reach_every_corner() -> None:
    texts = [vector["text"] for vector in TOKENS["python"]]
    signs = set("".join(texts))
    assert len(texts) > 300
    assert {unicodedata.category(sign) for sign in signs} >= {
        *("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"),
        *("Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf"),
    }
    assert set("ſİßΣﬁ\uff21\uff76\uff9e\u2018\u2019\u201c\u201d\u200d\x1b\ufeff\ufffd\u0301\u1161") <= signs
    assert any(len(vector["ids"]) == vector["context"] == 32 for vector in TOKENS["python"])
    assert {1, 2, 77, 512} <= {vector["context"] for vector in TOKENS["python"]}
