"""What pip says of packages that it cannot install, in one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pe_validate.system import pip
from pe_validate.system.errors import SetupError

CONFLICT = """Processing torch-2.13.0.whl

The conflict is caused by:
    The user requested torchao==0.17.0
    executorch 1.4.1 depends on torchao>=0.18.0

Additionally, some packages in these conflicts have no matching distributions available for your environment:
    torchao
"""

SAID = {
    "two that exclude each other": (
        CONFLICT,
        "ERROR: Cannot install executorch==1.4.1 and torchao==0.17.0 because these package versions have conflicting "
        "dependencies.\nERROR: ResolutionImpossible: for help visit a page\n",
        "Cannot install executorch==1.4.1 and torchao==0.17.0 because these package versions have conflicting "
        "dependencies (The user requested torchao==0.17.0, and executorch 1.4.1 depends on torchao>=0.18.0).",
    ),
    "no such version": (
        "",
        "ERROR: Ignored the following yanked versions: 0.1.0\n"
        "ERROR: Could not find a version that satisfies the requirement executorch==9.9 (from versions: 0.2.0, 1.5.1)\n"
        "ERROR: No matching distribution found for executorch==9.9\n",
        "Could not find a version that satisfies the requirement executorch==9.9.",
    ),
    "no pip": ("", "/usr/bin/python: No module named pip\n", "/usr/bin/python: No module named pip."),
    "nothing": ("", "WARNING: a\n", "pip ended with exit code 1."),
}


@pytest.mark.parametrize(("out", "error", "sentence"), SAID.values(), ids=SAID)
def test_what_pip_says_is_told_in_one_line(
    out: str, error: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess([], 1, out, error)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(SetupError, match=re.escape(f"It cannot be installed by pip of {sys.executable}: {sentence}")):
        pip.install(["executorch==9.9"], Path(sys.executable), "It cannot be installed")
