"""One exported model for every test of the cache, made the hard way: by two processes that ask at once."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from exporting import start_export
from filelock import FileLock

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.models.registry import load_weights
from pe_validate.models.weights import Weights
from pe_validate.targets.export import _key, export
from pe_validate.targets.registry import target_of


@pytest.fixture(scope="session")
def case() -> Case:
    """The one that is exported the fastest."""
    return Case("PE-Core-T16-384", "onnx", "fp32")


@pytest.fixture(scope="session")
def weights(case: Case) -> Weights:
    return load_weights(case.model, "seed:7")


@pytest.fixture(scope="session")
def key(case: Case, weights: Weights) -> str:
    """Name of the case's entry."""
    return _key(case, weights, {name: version(name) for name in target_of(case).tools})


@pytest.fixture(scope="session")
def raced(session_folder: Path, case: Case, key: str) -> tuple[Path, list[Any]]:
    """A cache, and what two processes printed that asked it for the same artifact at the same time.

    Before they did, it held what a third one left when it was killed.
    """
    cache, printed = session_folder / "cache", session_folder / "raced.json"
    with FileLock(session_folder / "raced.lock"):
        if not printed.exists():
            stale = cache / f".{key}-stale" / key
            stale.mkdir(parents=True)
            (stale / "half").write_bytes(b"half")
            found = []
            for process in [start_export(case, cache) for _ in range(2)]:
                out, err = process.communicate(timeout=300)
                assert process.returncode == 0, err
                found.append(json.loads(out))
            printed.write_text(json.dumps(found))
    return cache, json.loads(printed.read_text())


@pytest.fixture(scope="session")
def cache(raced: tuple[Path, list[Any]]) -> Path:
    """A cache that holds the case. Tests that alter it copy it first."""
    return raced[0]


@pytest.fixture(scope="session")
def artifact(cache: Path, case: Case, weights: Weights) -> Artifact:
    """The case, as the cache serves it."""
    return export(case, weights, cache)
