"""How long the default suite and a default run take, one revision against another, on this machine.

``python tests/benchmarks/suite.py BEFORE AFTER`` clones each revision, installs it with the versions of this tree's
requirements.lock, runs ``pe-validate run`` with an empty cache and then with a warm one, and ``tox`` likewise, and
prints a table with the ratios. Each step of one revision is followed by the same of the other. It takes the time that
both take, twice; nothing else should run meanwhile. The cache of either is a folder of its own.

With ``--into DIR`` everything is kept there, and a run that was stopped goes on with the first step that DIR has no
time of. A stopped step starts again from what the step before it left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]
INSTALL = "installation"
# The step, its command in the clone, the folder of caches that it fills, and whether that folder is empty before it.
RUN = (".tox/suite/bin/pe-validate", "run", "--quiet")
TOX = ("../{revision}-tox/bin/tox",)
STEPS = (
    ("pe-validate run, empty cache", RUN, "run", True),
    ("pe-validate run, warm cache", RUN, "run", False),
    ("tox, empty cache", TOX, "suite", True),
    ("tox, warm cache", TOX, "suite", False),
)


@dataclass(frozen=True)
class Step:
    """The wall time of a command in seconds, and its exit code."""

    seconds: float
    code: int

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s" + (f" (exit code {self.code})" if self.code else "")


@dataclass(frozen=True)
class Clone:
    """A revision in a folder of its own, with caches of its own beside it."""

    revision: str
    folder: Path

    def beside(self, name: str) -> Path:
        """Return a path outside the clone, whose tools would look at what is there."""
        return self.folder.with_name(f"{self.folder.name}-{name}")

    def make(self) -> Step:
        """Clone and install it."""
        for path in (self.folder, self.beside("tox")):
            shutil.rmtree(path, ignore_errors=True)
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

    def take(self, step: str, command: Sequence[str], cache: str, empty: bool) -> Step:
        """Take one of STEPS."""
        folder = self.beside(f"cache-of-{cache}")
        if empty:
            shutil.rmtree(folder, ignore_errors=True)
        words = [word.format(revision=self.folder.name) for word in command]
        return self.timed(step, words, {"XDG_CACHE_HOME": str(folder)})

    def timed(self, step: str, command: Sequence[str], further: dict[str, str]) -> Step:
        """Run a command, with its output in a file, and say how long it took."""
        log = self.beside(f"{step}.log")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PE_VALIDATE", "PYTHON"))}
        start = perf_counter()
        with log.open("wb") as output:
            code = subprocess.run(
                command,
                cwd=self.folder,
                env=kept | {"CI": "true"} | further,
                stdout=output,
                stderr=subprocess.STDOUT,
            ).returncode
        taken = Step(perf_counter() - start, code)
        print(f"{self.revision}, {step}: {taken} ({log})", file=sys.stderr, flush=True)
        return taken


class Times:
    """What was measured, step by step and clone by clone, in a file that each new time renews."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, dict[str, Step]] = {}
        if path.exists():
            stored = json.loads(path.read_text(encoding="utf-8"))
            self.known = {step: {name: Step(**of) for name, of in row.items()} for step, row in stored.items()}

    def add(self, step: str, clone: Clone, taken: Step) -> None:
        """Keep a time."""
        self.known.setdefault(step, {})[clone.revision] = taken
        stored = {name: {of: asdict(time) for of, time in row.items()} for name, row in self.known.items()}
        self.path.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")

    def has(self, step: str, clone: Clone) -> bool:
        """Return whether the time is known."""
        return clone.revision in self.known.get(step, {})


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs=2, metavar="REVISION")
    parser.add_argument("--into", metavar="DIR", type=Path, help="what is kept, and gone on from (default: a new one)")
    options = parser.parse_args(arguments)
    into: Path = options.into or Path(tempfile.mkdtemp(prefix="suite-"))
    into = into.resolve()
    into.mkdir(parents=True, exist_ok=True)
    clones = [Clone(revision, into / revision.replace("/", "-")) for revision in options.revisions]
    times = Times(into / "times.json")
    for clone in clones:
        if not times.has(INSTALL, clone):
            times.add(INSTALL, clone, clone.make())
    for step in STEPS:
        for clone in clones:
            if not times.has(step[0], clone):
                times.add(step[0], clone, clone.take(*step))
    before, after = options.revisions
    print(f"| | {before} | {after} | ratio |\n| --- | ---: | ---: | ---: |")
    for name, row in times.known.items():
        print(f"| {name} | {row[before]} | {row[after]} | {row[after].seconds / row[before].seconds:.2f} |")


if __name__ == "__main__":
    main()
