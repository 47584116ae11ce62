"""Fixtures and options for conversion tests: this project's own, and those of whoever installs it.

A test that asks for ``pe_case`` runs once for every selected case; ``pe_artifact`` is that case exported (once,
whatever the number of xdist workers), ``pe_runtime`` runs it in a child process, ``pe_reference`` is the model
it came from::

    def test_my_own_property(pe_reference, pe_runtime):
        for sample in pe_reference.inputs:
            assert ...

    pytest --pe-weights file:my.safetensors --pe-cases PE-Core-T16-384/pte
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pe_validate.case import Case, select
from pe_validate.errors import UsageError

if TYPE_CHECKING:
    from pe_validate.export.artifact import Artifact
    from pe_validate.reference import Reference
    from pe_validate.runtime.base import Runtime

# Stages are imported in the fixtures: the plugin is loaded by every pytest run of an environment.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register ``--pe-weights``, ``--pe-cases`` and ``--pe-cache-dir``."""
    group = parser.getgroup("pe_validate", "Perception Encoder conversions")
    group.addoption(
        "--pe-weights", default="seed:7", help="seed:N, seed:N+outliers, trained, file:PATH or hf:REPO[:FILE]"
    )
    group.addoption("--pe-cases", default="*", help="cases or their beginnings, separated by commas; all by default")
    group.addoption("--pe-cache-dir", type=Path, help="folder of exported artifacts; the user's cache by default")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse an unknown case before anything is collected."""
    try:
        _cases(config)
    except UsageError as error:
        raise pytest.UsageError(f"--pe-cases: {error}") from error


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say whose weights are validated and who computes the Core ML numbers."""
    from pe_validate.runtime.base import best_reading

    computed = "Core ML" if best_reading() == "native" else "the reference evaluator, Core ML itself did not run"
    return [f"pe_validate: weights {config.getoption('--pe-weights')}; Core ML numbers come from {computed}"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each selected case."""
    if "pe_case" not in metafunc.fixturenames:
        return
    cases = [
        # With --dist loadgroup a case stays on one worker, and so does its runtime.
        pytest.param(case, id=str(case), marks=pytest.mark.xdist_group(str(case)))
        for case in _cases(metafunc.config)
    ]
    metafunc.parametrize("pe_case", cases, scope="session")


@pytest.fixture(scope="session")
def pe_reference(pe_case: Case, request: pytest.FixtureRequest) -> Reference:
    """The case's model with the chosen weights, and the inputs of ``pe-validate run``."""
    from pe_validate.reference import reference

    loaded: dict[str, Reference] = request.config.stash.setdefault(_LOADED, {})
    if pe_case.model not in loaded:
        loaded[pe_case.model] = reference(pe_case.model, request.config.getoption("--pe-weights"))
    return loaded[pe_case.model]


@pytest.fixture(scope="session")
def pe_artifact(pe_case: Case, pe_reference: Reference, request: pytest.FixtureRequest) -> Artifact:
    """The exported case, from the cache or made now."""
    from pe_validate.export.cache import export

    return export(pe_case, pe_reference.weights, request.config.getoption("--pe-cache-dir"))


@pytest.fixture(scope="session")
def pe_runtime(pe_case: Case, pe_artifact: Artifact) -> Iterator[Runtime]:
    """The artifact as a phone would compute it, in a child process."""
    from pe_validate.gates import reading_for
    from pe_validate.runtime.isolation import IsolatedRuntime

    with IsolatedRuntime(pe_artifact.path, pe_case.target, reading_for(pe_case, "loss")) as runtime:
        yield runtime


_LOADED: pytest.StashKey[dict[str, Reference]] = pytest.StashKey()


def _cases(config: pytest.Config) -> tuple[Case, ...]:
    patterns: str = config.getoption("--pe-cases")
    return select([pattern.strip() for pattern in patterns.split(",")])
