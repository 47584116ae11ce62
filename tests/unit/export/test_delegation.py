"""What a program's delegate took is counted, and what it left is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pe_validate.errors import RunError
from pe_validate.export.delegation import READ_TIMEOUT, delegation, isolated_delegation
from pe_validate.process import Child


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with Child() as started:
        yield started


def test_a_program_that_lowers_whole_is_one_delegate_call(tiny: Path, child: Child) -> None:
    found = child.call(delegation, READ_TIMEOUT, tiny / "tiny.pte")
    assert (found.delegate_calls, found.left_over) == (1, ())


def test_an_operator_that_the_delegate_does_not_take_is_named_and_cuts_the_program(tiny: Path, child: Child) -> None:
    found = child.call(delegation, READ_TIMEOUT, tiny / "cumsum.pte")
    assert (found.delegate_calls, found.left_over) == (2, ("aten::cumsum.out",))


def test_a_file_that_is_no_program_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "garbage.pte"
    path.write_bytes(b"garbage" * 100)
    with pytest.raises(RunError, match="delegates of") as failure:
        isolated_delegation(path)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)
