"""Hypothesis profiles, and small artifacts that several rooms' tests need, made once per session.

Every other fixture comes from the pe_validate plugin.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from pe_validate.system.process import Child

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


@pytest.fixture(scope="session")
def tiny(session_folder: Path) -> Path:
    """Folder of ``tiny.onnx``, ``tiny.pte`` and their kin: see ``tiny_artifacts.py``."""
    from tiny_artifacts import write_all  # it imports torch, which many tests do without

    folder = session_folder / "tiny"
    with FileLock(session_folder / "tiny.lock"):
        if not folder.exists():
            unfinished = session_folder / "tiny.unfinished"
            unfinished.mkdir()
            with Child(session_folder / "tiny.log") as child:
                child.call(write_all, 300, unfinished)
            unfinished.rename(folder)
    return folder
