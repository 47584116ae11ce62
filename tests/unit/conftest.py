"""Small artifacts that several rooms' tests need, made once per session however many workers there are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock
from tiny_artifacts import write_all

from pe_validate.system.process import Child


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One temporary folder for the whole session, shared by the workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def tiny(session_folder: Path) -> Path:
    """Folder of ``tiny.onnx``, ``tiny.pte`` and their kin: see ``tiny_artifacts.py``."""
    folder = session_folder / "tiny"
    with FileLock(session_folder / "tiny.lock"):
        if not folder.exists():
            unfinished = session_folder / "tiny.unfinished"
            unfinished.mkdir()
            with Child(session_folder / "tiny.log") as child:
                child.call(write_all, 300, unfinished)
            unfinished.rename(folder)
    return folder
