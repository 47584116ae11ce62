"""The package that is tested here, and a toolchain to test it with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from places import ROOT
from swift_toolchain import Toolchain

PACKAGE = ROOT / "ios_xctest"


@dataclass(frozen=True)
class Swift:
    """A toolchain, the package, and where builds are kept from one run to the next."""

    toolchain: Toolchain
    builds: Path

    def run(self, *command: str, **environment: str) -> str:
        """What a command says that must succeed."""
        done = self.toolchain.run(command, PACKAGE, environment, (ROOT, self.builds))
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}"
        return done.stdout
