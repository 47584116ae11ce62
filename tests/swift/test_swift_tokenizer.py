"""The tokenizer in Swift gives the ids of Python's, on many more texts than are committed, and a wrong one fails."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from swift_log import messages, outcomes
from swift_package import PACKAGE, Swift

from pe_validate.models.perception_encoder.text.characters import scalars
from pe_validate.models.perception_encoder.text.config import END_OF_TEXT
from pe_validate.models.perception_encoder.text.phone import TOKENIZER
from pe_validate.models.perception_encoder.text.published import imagenet_labels, templates
from pe_validate.models.perception_encoder.text.tokenizer import tokenized

TEST = "TokenizerTests.testIdsAreThoseOfMetaAndOfPython"
CONTEXT = 400
RANDOM = 4000
SYLLABLES = (
    "&amp;",
    "&#233;",
    "&#x41",
    "&",
    ";",
    "#",
    "<",
    "'s",
    "'",
    " ",
    "\n",
    "\r",
    "\x1b[1m",
    "\u0301",
    "\u0323",
    "Σ",
    "a",
    "Z",
)


@pytest.fixture(scope="module")
def built(swift: Swift, bundled: Callable[..., Path]) -> Swift:
    """The package, built as ``test_swift_package`` builds it, so that nothing is built twice."""
    log = swift.run(*_command(swift, "-Xswiftc", "-warnings-as-errors"), **_environment(bundled("PE-Nano/onnx")))
    assert outcomes(log) == {TEST: "passed"}, messages(log)
    return swift


@pytest.fixture
def resources(bundled: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundled("PE-Nano/onnx"), tmp_path / "Resources"))


def labels() -> list[str]:
    """The thousand of ImageNet in several templates."""
    return [template.format(label) for label in imagenet_labels() for template in ("{}", *templates()[:3])]


def every_character() -> list[str]:
    """Each character there is: after a letter and before a mark, eight of them in a text."""
    parts = [scalars()[start : start + 8] for start in range(0, len(scalars()), 8)]
    assigned = (part for part in parts if any(unicodedata.category(each) not in ("Cn", "Co") for each in part))
    return [" ".join(f"a{each}\u0301b" for each in part) for part in assigned]


def random_texts() -> list[str]:
    """Of all characters, of those of some alphabets, and of what is read as mojibake or as HTML."""
    rng = np.random.RandomState(0)
    blocks = (
        (0, 0x80),
        (0x80, 0x250),
        (0x300, 0x600),
        (0x1100, 0x1200),
        (0x2000, 0x2700),
        (0xFF00, 0xFFF0),
        (0, 0x110000),
    )
    found = []
    for number in range(RANDOM):
        low, high = blocks[number % len(blocks)]
        codes = [code for code in rng.randint(low, high, rng.randint(1, 24)) if not 0xD800 <= code < 0xE000]
        found.append("".join(map(chr, codes)))
    places = [rng.randint(0, len(SYLLABLES), rng.randint(1, 24)) for _ in range(RANDOM)]
    return [*found, *("".join(SYLLABLES[place] for place in row) for row in places)]


def misread_texts() -> list[str]:
    """UTF-8 of short texts that was read in each encoding that ftfy tries, whole, in part, and with bytes lost."""
    from ftfy.chardata import CHARMAP_ENCODINGS

    rng = np.random.RandomState(1)
    found = []
    for number in range(RANDOM):
        low, high = ((0xA0, 0x250), (0x370, 0x500), (0x2000, 0x2200), (0x4E00, 0x9FFF), (0x1F300, 0x1F700))[number % 5]
        words = ["".join(map(chr, rng.randint(low, high, rng.randint(1, 5)))) for _ in range(3)]
        encoding = CHARMAP_ENCODINGS[rng.randint(len(CHARMAP_ENCODINGS))]
        broken = [word.encode().decode(encoding) for word in words]
        broken[0] = broken[0].replace("\xa0", " ")
        found += [" ".join(broken), "".join((words[0], broken[1])), f"the {broken[2][:-1]}", f"{broken[0]}s {words[1]}"]
    return found


@pytest.mark.parametrize(
    "texts", [labels, every_character, random_texts, misread_texts], ids=lambda texts: texts.__name__
)
def test_swift_gives_the_ids_of_python(
    built: Swift, resources: Path, texts: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    given = texts()
    ids = tokenized(given, CONTEXT).tolist()
    vectors = [
        {"text": text, "context": CONTEXT, "ids": row[: row.index(END_OF_TEXT) + 1]}
        for text, row in zip(given, ids, strict=True)
    ]
    file = built.builds / "texts.json"
    file.write_text(json.dumps({"reference": [], "python": vectors}), encoding="ascii")
    log = _tokens(built, resources, PE_VALIDATE_TEXTS=str(file))
    with capsys.disabled():
        print(*re.findall(r"tokens: .*", log))
    assert outcomes(log) == {TEST: "passed"}, messages(log)
    assert f"tokens: 0 of {len(given)} texts differ" in log


def test_a_tokenizer_with_two_merges_in_another_order_is_noticed(built: Swift, resources: Path) -> None:
    tables = json.loads((resources / TOKENIZER).read_bytes())
    merges = tables["merges"]
    tables["merges"] = [*merges[2:4], *merges[:2], *merges[4:]]
    _rewrite(resources, json.dumps(tables).encode())
    log = _tokens(built, resources)
    assert outcomes(log) == {TEST: "failed"}, messages(log)
    assert "has ids [49406, " in log


def test_an_altered_tokenizer_is_refused(built: Swift, resources: Path) -> None:
    (resources / TOKENIZER).write_bytes((resources / TOKENIZER).read_bytes().replace(b"1", b"2", 1))
    log = _tokens(built, resources)
    assert outcomes(log) == {TEST: "failed"}, messages(log)
    assert f"{TOKENIZER}' was altered" in log


def test_a_bundle_without_a_tokenizer_skips_the_test_and_says_so(built: Swift, resources: Path) -> None:
    manifest = json.loads((resources / "manifest.json").read_text(encoding="utf-8"))
    del manifest["bundle"]["tokenizer"]
    (resources / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (resources / TOKENIZER).unlink()
    log = _tokens(built, resources)
    assert outcomes(log) == {TEST: "skipped"}, messages(log)
    assert "has no tokenizer: 'pe-validate ios bundle --tokenizer' adds it" in log


def _rewrite(resources: Path, tokenizer: bytes) -> None:
    """Replace the tokenizer, and its sha256 in the manifest."""
    (resources / TOKENIZER).write_bytes(tokenizer)
    manifest = json.loads((resources / "manifest.json").read_text(encoding="utf-8"))
    manifest["bundle"]["tokenizer"] = hashlib.sha256(tokenizer).hexdigest()
    (resources / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _tokens(swift: Swift, folder: Path, **environment: str) -> str:
    """The log of the test of tokens alone, with what was built before."""
    variables = _environment(folder) | environment
    folders = (PACKAGE.parent, swift.builds, folder)
    return swift.toolchain.run(_command(swift, "--skip-build"), PACKAGE, variables, folders).stdout


def _command(swift: Swift, *options: str) -> tuple[str, ...]:
    where = ("--configuration", "release", "--scratch-path", str(swift.builds / "release"))
    return ("swift", "test", *where, *options, "--disable-swift-testing", "--filter", "TokenizerTests")


def _environment(folder: Path) -> dict[str, str]:
    return {"CI": "1", "PE_VALIDATE_ONNXRUNTIME": "1", "PE_VALIDATE_RESOURCES": str(folder)}
