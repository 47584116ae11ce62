"""A child may allocate as much memory as a sound file of the size needs, and no size is believed blindly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pe_validate.system.allowance import BASE_MEMORY, LARGEST_ARTIFACT, MEMORY_PER_BYTE, memory_for
from pe_validate.system.errors import RunError


def test_a_file_that_only_says_it_is_huge_gets_no_memory_but_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "sparse.pte"
    path.touch()
    assert memory_for(path) == BASE_MEMORY
    os.truncate(path, LARGEST_ARTIFACT)
    assert memory_for(path) == BASE_MEMORY + MEMORY_PER_BYTE * LARGEST_ARTIFACT
    os.truncate(path, 2**40)
    with pytest.raises(RunError, match=r"sparse\.pte' has 1,099,511,627,776 bytes"):
        memory_for(path)
