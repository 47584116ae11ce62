from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from swift_toolchain import Toolchain, toolchain

from pe_validate.export.cache import default_cache_dir

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ios_xctest"

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Xcode builds and tests the package where there is one."""
    if sys.platform == "darwin":
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="on macOS Xcode does this, see ios_xctest/README.md"))


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


@pytest.fixture(scope="session")
def made_toolchain(pytestconfig: pytest.Config) -> Toolchain:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def tell(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", flush=True)

    return toolchain(progress=tell)


@pytest.fixture(scope="session")
def swift(made_toolchain: Toolchain) -> Swift:
    checkout = hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:12]
    builds = default_cache_dir() / "swift" / f"builds-{checkout}"
    builds.mkdir(parents=True, exist_ok=True)
    return Swift(made_toolchain, builds)


@pytest.fixture(scope="session")
def bundled(swift: Swift) -> Callable[..., Path]:
    """Cases as a phone would be given them."""
    from pe_validate.bundle import bundle

    from pe_validate.case import select

    def make(*cases: str) -> Path:
        out = swift.builds / "Resources"
        bundle(select(cases), out, ROOT / "golden")
        return out

    return make
