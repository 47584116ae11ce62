from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from apple_check import check
from places import GOLDENS
from swift_package import PACKAGE, Swift
from swift_toolchain import Toolchain, toolchain

from pe_validate.case import select
from pe_validate.goldens import bundle
from pe_validate.inputs.cache import default_cache_dir

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker builds the package once; Xcode does so where there is one."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("swift"))
            if sys.platform == "darwin":
                item.add_marker(pytest.mark.skip(reason="on macOS Xcode does this, see ios_xctest/README.md"))


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
    """Cases as a phone would be given them, with the tokenizer."""

    def make(*cases: str) -> Path:
        out = swift.builds / "Resources"
        bundle.bundle(select(cases), out, GOLDENS, tokenizer=True)
        return out

    return make


@pytest.fixture(scope="session")
def checked(swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Stubs and modules as they were compiled, and what the compiler had against them."""
    scratch = tmp_path_factory.mktemp("modules")
    return scratch, check(swift.toolchain, PACKAGE, PACKAGE / "Stubs", scratch)


@pytest.fixture(scope="session")
def compiled(checked: tuple[Path, str]) -> Path:
    """Compiled stubs and modules that fit."""
    assert checked[1] == ""
    return checked[0]
