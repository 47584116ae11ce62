"""How long the default suite and a default run take, one revision against another, on this machine.

``python tests/benchmarks/suite.py BEFORE AFTER`` clones each revision, runs ``tox`` with an empty cache and then with a
warm one, and ``pe-validate run`` likewise, and prints a table with the ratios. It takes the time that both take, twice;
nothing else should run meanwhile. The cache of either is a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]
STEPS = ("tox, empty cache", "tox, warm cache", "pe-validate run, empty cache", "pe-validate run, warm cache")


def seconds(command: Sequence[str], folder: Path, environment: dict[str, str]) -> float:
    """Wall time of a command, which must succeed."""
    start = perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def measure(revision: str, scratch: Path) -> dict[str, float]:
    """Every step, for one revision."""
    clone = scratch / revision.replace("/", "-")
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(clone)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", revision], cwd=clone, check=True)
    environment = os.environ | {"XDG_CACHE_HOME": str(clone / "cache"), "CI": "true"}
    environment.pop("PE_VALIDATE_CACHE", None)
    tox = [str(clone / ".venv/bin/tox"), "--quiet"]
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=clone, check=True)
    subprocess.run([".venv/bin/pip", "install", "--quiet", "tox"], cwd=clone, check=True)
    found = {STEPS[0]: seconds(tox, clone, environment), STEPS[1]: seconds(tox, clone, environment)}
    run = [str(clone / ".tox/suite/bin/pe-validate"), "run", "--quiet"]
    environment |= {"PE_VALIDATE_CACHE": str(clone / "artifacts")}
    return found | {step: seconds(run, clone, environment) for step in STEPS[2:]}


def main(before: str, after: str) -> None:
    """Print the table, in Markdown."""
    with tempfile.TemporaryDirectory() as scratch:
        old, new = (measure(revision, Path(scratch)) for revision in (before, after))
    print(f"| | {before} | {after} | ratio |\n| --- | ---: | ---: | ---: |")
    for step in STEPS:
        print(f"| {step} | {old[step]:.0f} s | {new[step]:.0f} s | {new[step] / old[step]:.2f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
