"""Exports in another process, to be raced and killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pe_validate.case import Case

EXPORT = """
import json, sys
from pathlib import Path
from pe_validate.case import select
from pe_validate.targets.export import export
from pe_validate.models.registry import load_weights
if __name__ == "__main__":
    (case,) = select([sys.argv[1]])
    artifact = export(case, load_weights(case.model, "seed:7"), Path(sys.argv[2]))
    about = artifact.path.stat()
    print(json.dumps([str(artifact.path), artifact.seconds, about.st_ino, about.st_mtime_ns]))
"""


def start_export(case: Case, cache: Path) -> subprocess.Popen[str]:
    """Another process that exports ``case`` and prints what it got."""
    command = [sys.executable, "-c", EXPORT, str(case), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
