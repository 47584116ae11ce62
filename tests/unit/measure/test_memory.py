"""Peak memory is that of the artifact, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pe_validate.measure.memory import peak_memory
from pe_validate.system.errors import RunError


def test_a_tiny_program_needs_little(tiny: Path) -> None:
    assert 0 < peak_memory(tiny / "tiny.pte", "pte") < 20e6


def test_what_cannot_be_loaded_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.pte").write_bytes(b"not a program")
    with pytest.raises(RunError, match=r"broken\.pte"):
        peak_memory(tmp_path / "broken.pte", "pte")
