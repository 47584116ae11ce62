"""Make what Python and Swift are both held to: ``python ios_xctest/Vectors/make_vectors.py [FOLDER]``.

``comparison_vectors.json``: pairs of tensors and what ``pe_validate.data.comparison`` says of them.
``preprocessing/``: RGBA bytes and what ``pe_validate.inputs.images`` makes of them for a model.
``tokenizer_vectors.json``: texts, those of ``tokenizer_texts.json`` among them, and their ids.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save
from tokenizer_vectors import tokenizer_vectors

from pe_validate.data.compare import compare
from pe_validate.inputs.images import normalize, open_photograph, photographs, squash
from pe_validate.system.files import replace_file

Array = NDArray[np.generic]

HUGE: Final = 3.0e38
"""Nearly the largest float32; its square is far outside of float32's range."""

SUBNORMAL: Final = 2.0**-149
"""The smallest float32 above zero."""

COMPARISON_NOTE: Final = (
    "Made by make_vectors.py. 'reference' and 'actual' are row-major tensors of 'shape'; the last axis is a token's. "
    "Every value of a 'float32' vector is exactly a float32. Numbers that JSON has no form for are the strings "
    "'Infinity', '-Infinity' and 'NaN'. Observed and expected numbers agree when they are equal or no further apart "
    "than 'within': relative to the expected one for max_abs and max_rel, absolute for snr_db and cosine."
)
WITHIN: Final = {"max_abs": 1e-12, "max_rel": 1e-12, "snr_db": 1e-9, "cosine": 1e-12}

PREPROCESSING_NOTE: Final = (
    "Made by make_vectors.py. Each file holds 'rgba', uint8 [height, width, 4], and 'expected', float32 "
    "[1, 3, size, size]: the bytes without alpha, squashed to size by size by Pillow's antialiased bilinear filter, "
    "then (x / 255 - 0.5) / 0.5. 'within' is the largest allowed absolute difference."
)


def features(seed: int, *shape: int) -> NDArray[np.float32]:
    """Normally distributed; NumPy's RandomState has a stream that is frozen."""
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)


def pairs() -> dict[str, tuple[Array, Array]]:
    """Reference and actual of every comparison, by name."""
    one, noise = features(1, 1, 64), features(2, 1, 64)
    tokens, token_noise = features(3, 1, 5, 16), features(4, 1, 5, 16)
    zero, ones = np.zeros((1, 8), np.float32), np.ones((1, 8), np.float32)
    wrong_token, dead_token = tokens.copy(), tokens.copy()
    wrong_token[0, 3] = -wrong_token[0, 3]
    dead_token[0, 2] = 0
    return {
        "equal": (one, one),
        "float32 rounding": (one, np.nextafter(one, np.float32(np.inf))),
        "little noise": (one, one + np.float32(1e-4) * noise),
        "as much noise as signal": (one, one + noise),
        "unrelated": (one, noise),
        "opposite": (one, -one),
        "doubled": (one, 2 * one),
        "one element wrong": (one, np.where(np.arange(64) == 17, np.float32(9), one)),
        "order reversed": (one, one[:, ::-1]),
        "several tokens, little noise": (tokens, tokens + np.float32(1e-3) * token_noise),
        "several tokens, one turned around": (tokens, wrong_token),
        "several tokens, one zero on one side": (tokens, dead_token),
        "several tokens, one zero on both sides": (
            dead_token,
            dead_token + np.float32(0.01) * token_noise * (tokens == dead_token),
        ),
        "several tokens, two swapped": (tokens, tokens[:, [1, 0, 2, 3, 4]]),
        "a batch of two": (features(5, 2, 3, 8), features(5, 2, 3, 8) + np.float32(0.1) * features(6, 2, 3, 8)),
        "zero and zero": (zero, zero),
        "zero and minus zero": (zero, -zero),
        "minus zero and zero": (-zero, zero),
        "zero and something": (zero, ones),
        "something and zero": (ones, zero),
        "constant and equal": (ones, ones),
        "constant and half of it": (ones, ones / 2),
        "one number": (np.array([2], np.float32), np.array([3], np.float32)),
        "one number and its opposite": (np.array([2], np.float32), np.array([-2], np.float32)),
        "huge": (HUGE * np.sign(one), (0.5 * HUGE * np.sign(one))),
        "huge and its opposite": (HUGE * np.sign(one), -HUGE * np.sign(one)),
        "huge and tiny together": (np.array([[HUGE, 1e-38]], np.float32), np.array([[HUGE, 2e-38]], np.float32)),
        "subnormal": (SUBNORMAL * np.arange(1.0, 9)[None], SUBNORMAL * np.arange(2.0, 10)[None]),
        "subnormal and zero": (np.array([[SUBNORMAL, 0]]), np.zeros((1, 2))),
        "a difference that is subnormal": (np.array([[1, 2, 0]]), np.array([[1, 2, SUBNORMAL]])),
        "NaN on both sides": (np.array([[1, np.nan]]), np.array([[1, np.nan]])),
        "NaN in the reference": (np.array([[1, np.nan]]), np.array([[1, 2]])),
        "NaN in the answer": (np.array([[1, 2]]), np.array([[np.nan, 2]])),
        "infinity on both sides": (np.array([[1, np.inf]]), np.array([[1, np.inf]])),
        "infinity in the answer": (np.array([[1, 2]]), np.array([[1, np.inf]])),
        "minus infinity in the answer": (np.array([[1, 2]]), np.array([[-np.inf, 2]])),
        "infinity and minus infinity": (np.array([[np.inf, 1]]), np.array([[-np.inf, 1]])),
        "NaN in the last of several tokens": (
            tokens,
            np.where(np.arange(80).reshape(tokens.shape) == 79, np.nan, tokens),
        ),
    }


def float64_pairs() -> dict[str, tuple[Array, Array]]:
    """What only float64 can hold: differences that are nearly nothing, values that no float32 has."""
    one = features(1, 1, 64).astype(np.float64)
    return {
        "float64: rounding": (one, np.nextafter(one, np.inf)),
        "float64: one and nearly one": (np.array([[1.0, 1.0]]), np.array([[1.0, 1.0 + 2.0**-52]])),
        "float64: beyond float32's range": (np.array([[1e100, -2e100]]), np.array([[1e100, -3e100]])),
    }


def encoded(number: float) -> float | str:
    """A float, or the word for what JSON cannot write."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def vector(name: str, dtype: str, reference: Array, actual: Array) -> dict[str, object]:
    """One comparison, ready for JSON."""
    expected, found = (np.asarray(x).astype(dtype).astype(np.float64) for x in (reference, actual))
    result = compare(expected, found)
    numbers = {key: encoded(getattr(result, key)) for key in ("max_abs", "max_rel", "snr_db", "cosine")}
    return {
        "name": name,
        "dtype": dtype,
        "shape": list(expected.shape),
        "reference": [encoded(x) for x in expected.ravel().tolist()],
        "actual": [encoded(x) for x in found.ravel().tolist()],
        "expected": numbers | {"finite": result.finite},
    }


def comparison_vectors() -> bytes:
    """The file of comparisons, one on each line."""
    vectors = [vector(name, "float32", *pair) for name, pair in pairs().items()]
    vectors += [vector(name, "float64", *pair) for name, pair in float64_pairs().items()]
    lines = ",\n  ".join(json.dumps(each, allow_nan=False) for each in vectors)
    head = f'"note": {json.dumps(COMPARISON_NOTE)},\n "within": {json.dumps(WITHIN)}'
    return f'{{\n {head},\n "vectors": [\n  {lines}\n ]\n}}\n'.encode()


def pictures() -> dict[str, tuple[NDArray[np.uint8], int]]:
    """RGBA ``[height, width, 4]`` and the size it is squashed to, by name."""
    rng = np.random.RandomState(0)

    def noise(width: int, height: int) -> NDArray[np.uint8]:
        return rng.randint(0, 256, (height, width, 4)).astype(np.uint8)

    def photograph(name: str, left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8]:
        part = open_photograph(photographs()[name]).crop((left, top, right, bottom))
        return np.asarray(part.convert("RGBA"))

    rows, columns = np.indices((48, 64))
    board = np.where((rows // 3 + columns // 3) % 2, 255, 0)
    checkerboard = np.stack([board, 255 - board, board, np.full_like(board, 255)], axis=-1).astype(np.uint8)
    return {
        "down": (photograph("china", 100, 80, 260, 200), 64),
        "down-steeply": (noise(203, 151), 16),
        "down-to-one-pixel": (noise(40, 30), 1),
        "up": (photograph("china", 300, 200, 324, 218), 64),
        "up-from-one-pixel": (noise(1, 1), 16),
        "up-by-a-fraction": (noise(31, 29), 32),
        "same-size": (noise(32, 32), 32),
        "wide": (noise(190, 40), 48),
        "tall": (noise(31, 170), 48),
        "up-and-down": (noise(20, 130), 64),
        "odd-sides": (noise(97, 61), 33),
        "hard-edges": (checkerboard, 40),
        "black-and-white": (np.where(noise(64, 36) > 127, 255, 0).astype(np.uint8), 24),
    }


def write_preprocessing(folder: Path) -> None:
    """A file for each picture, and the manifest that names them."""
    cases = []
    for name, (rgba, size) in pictures().items():
        expected = normalize(squash(Image.fromarray(rgba), size))
        content = save({"rgba": np.ascontiguousarray(rgba), "expected": expected})
        replace_file(folder / f"{name}.safetensors", content)
        cases.append(
            {
                "name": name,
                "file": f"{name}.safetensors",
                "sha256": hashlib.sha256(content).hexdigest(),
                "width": rgba.shape[1],
                "height": rgba.shape[0],
                "size": size,
            }
        )
    tools = {name: version(name) for name in ("pillow", "numpy")}
    manifest = {"note": PREPROCESSING_NOTE, "within": 1 / 255, "cases": cases, "tools": tools}
    replace_file(folder / "manifest.json", json.dumps(manifest, indent=1).encode() + b"\n")


def main(folder: Path) -> None:
    """Write all below ``folder``."""
    replace_file(folder / "comparison_vectors.json", comparison_vectors())
    write_preprocessing(folder / "preprocessing")
    replace_file(folder / "tokenizer_vectors.json", tokenizer_vectors())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
