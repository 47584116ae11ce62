"""What the system refuses is one sentence that names the file, wherever it was met."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pe_validate.system.errors import refused


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "no/x"), "refuses 'no/x' (Permission denied)"),
        (OSError(errno.ENAMETOOLONG, "File name too long", b"a\xff\n"), r"refuses 'a\udcff\n' (File name too long)"),
        (OSError(errno.EIO, "Input/output error", 3), "refuses what this needs (Input/output error)"),
        (OSError("it is not a plain file"), "refuses what this needs (it is not a plain file)"),
    ],
    ids=["path", "bytes", "descriptor", "no file"],
)
def test_what_the_system_refuses_is_one_sentence(error: OSError, words: str) -> None:
    said = refused(error)
    assert words in str(said)
    assert said.exit_code == 3


def test_a_refusal_of_the_system_itself_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long") as failure:
        os.stat(tmp_path / ("x" * 300))
    assert str(tmp_path / "xxx") in str(refused(failure.value))
