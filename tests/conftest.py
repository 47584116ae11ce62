"""Hypothesis profiles, and small artifacts that several rooms' tests need, made once per session.

Every other fixture comes from the pe_validate plugin.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from pe_validate.system.process import Child

collect_ignore = ["stranger"]
"""A project of somebody else, whose tests run in a copy."""

# No deadline anywhere: one example is a model's inference, and shared machines stall.
settings.register_profile("dev", max_examples=5, deadline=None, print_blob=True)
settings.register_profile("ci", max_examples=8, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", max_examples=100, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One temporary folder for the whole session, shared by the workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _written_once(base: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Return the folder ``name``, filled by ``write`` in a child by whichever worker comes first."""
    folder = base / name
    with FileLock(base / f"{name}.lock"):
        if not folder.exists():
            unfinished = base / f"{name}.unfinished"
            unfinished.mkdir()
            with Child(base / f"{name}.log") as child:
                child.call(write, 300, unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(session_folder: Path) -> Path:
    """Folder of ``tiny.onnx``, ``tiny.pte`` and their kin: see ``tiny_artifacts.py``."""
    from tiny_artifacts import write_all  # it imports torch, which many tests do without

    return _written_once(session_folder, "tiny", write_all)


@pytest.fixture(scope="session")
def strangers(session_folder: Path) -> Path:
    """Folder of files as other people make them: see ``strangers.py``."""
    from strangers import write_all

    return _written_once(session_folder, "strangers", write_all)
