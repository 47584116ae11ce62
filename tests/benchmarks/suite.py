"""How long the default suite and a default run take, one revision against another, on this machine.

``python tests/benchmarks/suite.py BEFORE AFTER`` clones each revision, installs it with the versions of this tree's
requirements.lock, runs ``tox`` with an empty cache and then with a warm one, and ``pe-validate run`` likewise, and
prints a table with the ratios. Each step of one revision is followed by the same of the other. It takes the time that
both take, twice; nothing else should run meanwhile. The cache of either is a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]
INSTALL = "installation"
STEPS = ("tox, empty cache", "tox, warm cache", "pe-validate run, empty cache", "pe-validate run, warm cache")


@dataclass(frozen=True)
class Step:
    """The wall time of a command in seconds, and its exit code."""

    seconds: float
    code: int

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s" + (f" (exit code {self.code})" if self.code else "")


@dataclass(frozen=True)
class Clone:
    """A revision in a folder of its own, with caches of its own."""

    revision: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PE_VALIDATE", "PYTHON"))}
        return kept | {"XDG_CACHE_HOME": str(self.beside("cache")), "CI": "true"}

    def beside(self, name: str) -> Path:
        """Return a path outside the clone, whose tools would look at what is there."""
        return self.folder.with_name(f"{self.folder.name}-{name}")

    def make(self) -> Step:
        """Clone and install it."""
        self.folder.mkdir(parents=True)
        for words in (
            ("git", "clone", "--quiet", "--shared", str(ROOT), "."),
            ("git", "checkout", "--quiet", "--detach", self.revision),
            (sys.executable, "-m", "venv", str(self.beside("tox"))),
            (str(self.beside("tox") / "bin/pip"), "install", "--quiet", "tox"),
        ):
            subprocess.run(words, cwd=self.folder, check=True)
        constrained = {"PIP_CONSTRAINT": str(ROOT / "requirements.lock")}
        return self.timed(INSTALL, [str(self.beside("tox") / "bin/tox"), "run", "--notest"], constrained)

    def take(self, step: str) -> Step:
        """Take one of STEPS; those with a warm cache come after those with an empty one."""
        if "tox" in step:
            return self.timed(step, [str(self.beside("tox") / "bin/tox")], {})
        artifacts = {"PE_VALIDATE_CACHE": str(self.beside("artifacts"))}
        return self.timed(step, [".tox/suite/bin/pe-validate", "run", "--quiet"], artifacts)

    def timed(self, step: str, command: Sequence[str], further: dict[str, str]) -> Step:
        """Run a command, with its output in a file, and say how long it took."""
        log = self.folder.parent / f"{self.revision}, {step}.log"
        start = perf_counter()
        with log.open("wb") as output:
            code = subprocess.run(
                command, cwd=self.folder, env=self.environment | further, stdout=output, stderr=subprocess.STDOUT
            ).returncode
        taken = Step(perf_counter() - start, code)
        print(f"{self.revision}, {step}: {taken} ({log})", file=sys.stderr, flush=True)
        return taken


def main(before: str, after: str) -> None:
    """Print the table, in Markdown; the clones stay in a temporary folder, with what every command printed."""
    scratch = Path(tempfile.mkdtemp(prefix="suite-"))
    clones = [Clone(revision, scratch / revision.replace("/", "-")) for revision in (before, after)]
    rows = {INSTALL: [clone.make() for clone in clones]}
    rows |= {step: [clone.take(step) for clone in clones] for step in STEPS}
    print(f"| | {before} | {after} | ratio |\n| --- | ---: | ---: | ---: |")
    for step, (old, new) in rows.items():
        print(f"| {step} | {old} | {new} | {new.seconds / old.seconds:.2f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
