"""A program is read without ExecuTorch's exporter, which takes ten times as long to import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, sys
from pathlib import Path
from pe_validate.targets.xnnpack.delegation import delegation
found = delegation(Path(sys.argv[1]))
exporter = "executorch.exir.program" in sys.modules
import torch
from executorch.exir import to_edge
program = torch.export.export(torch.nn.ReLU(), (torch.ones(2),))
print(json.dumps([found.delegate_calls, exporter, len(to_edge(program).to_executorch().buffer)]))
"""


def test_reading_imports_no_exporter_and_exporting_afterwards_works(tiny: Path) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT, str(tiny / "cumsum.pte")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    calls, exporter, size = json.loads(done.stdout.splitlines()[-1])
    assert calls == 2
    assert not exporter, "reading a program imported executorch.exir.program"
    assert size > 0
