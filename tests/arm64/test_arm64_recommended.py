"""What README shows: the programs of the real-time model on the phone that is emulated by default, by the command."""

from __future__ import annotations

import subprocess
import sys

import pytest
from places import ROOT

pytestmark = pytest.mark.xdist_group("worker")


def test_the_real_time_model_passes_every_gate_by_the_command() -> None:
    """Its report is kept, for CI to show."""
    cases = ["PE-Core-T16-384/pte/fp32", "PE-Core-T16-384/pte/int8"]
    command = [sys.executable, "-P", "-m", "pe_validate", "arm64", "run", *cases, "--inputs", "1", "--quiet"]
    done = subprocess.run(
        [*command, "--report", "build/report-arm64"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
