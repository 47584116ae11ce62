"""A user's small encoders, which take colour and grey images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coreml_packages
import pytest

from pe_validate.data.result import Result
from pe_validate.models.own.config import VARIABLE
from pe_validate.reference.reference import Reference, reference
from pe_validate.walk.check import check, claimed


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of the models `colour` and `grey`."""
    return coreml_packages.project(tmp_path_factory.mktemp("encoders"))


@pytest.fixture(autouse=True)
def known(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests of this folder, and no others, know these models."""
    monkeypatch.setenv(VARIABLE, str(configured))


@pytest.fixture(scope="session")
def encoders(configured: Path) -> dict[str, Reference]:
    """The references of the models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(configured))
        return {name: reference(name) for name in ("colour", "grey")}


@pytest.fixture(scope="session")
def ct() -> Any:
    """The coremltools module."""
    from pe_validate.system.quiet import quiet_libraries

    with quiet_libraries():
        import coremltools
    return coremltools


@pytest.fixture(scope="session")
def judged(encoders: dict[str, Reference]) -> Callable[..., Result]:
    """Check a package as one of the models."""

    def judge(path: Path, name: str = "colour", output: str | None = None) -> Result:
        return check(claimed(path, name), encoders[name], output=output)

    return judge
