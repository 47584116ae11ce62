"""A stand-in for an exporter that is being killed; imports nothing heavy, for every child imports it."""

from __future__ import annotations

import time
from pathlib import Path

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.system.files import digest, size
from pe_validate.targets.registry import file_name


def slow_build(case: Case, spec: str, sha256: str, folder: Path, images: tuple[object, ...]) -> Artifact:
    """In the place of an exporter, which takes seconds before it writes: a package of many files."""
    path = folder / file_name(case)
    for number in range(20):
        member = path / f"part {number % 4}" / f"{number}.bin"
        member.parent.mkdir(parents=True, exist_ok=True)
        member.write_bytes(bytes(range(256)) * 200)
        time.sleep(0.004)
    return Artifact(case, path, digest(path), size(path), (), (), spec, sha256, {}, 0.0)
