"""Fixtures and options for conversion tests: this project's own, and those of whoever installs it.

A test that asks for ``pe_case`` runs once for every selected case; ``pe_artifact`` is that case exported (once,
whatever the number of xdist workers), ``pe_runtime`` runs it in a child process, ``pe_reference`` is the model
it came from::

    def test_my_own_property(pe_reference, pe_runtime):
        for sample in pe_reference.inputs:
            assert ...

    pytest --pe-weights file:my.safetensors --pe-cases PE-Core-T16-384/pte

``pe_verdicts`` is what every gate says of the case. With ``--pe-require`` a run is red unless tests that passed have
asked for the verdicts of every selected case: what was skipped, deselected or expected to fail has proved nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pe_validate.case import Case, select
from pe_validate.system.errors import UsageError
from pe_validate.testing.ledger import PROPERTY, Ledger, entry

if TYPE_CHECKING:
    from pe_validate.data.artifact import Artifact
    from pe_validate.data.verdict import Verdict
    from pe_validate.reference.reference import Reference
    from pe_validate.targets.runtime import Runtime

# Stages are imported in the fixtures: the plugin is loaded by every pytest run of an environment.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options that start with ``--pe-``."""
    group = parser.getgroup("pe_validate", "Perception Encoder conversions")
    group.addoption(
        "--pe-weights",
        default="seed:7",
        help="seed:N, seed:N+outliers, trained, file:PATH or hf:REPO[@REVISION][:FILE]",
    )
    group.addoption("--pe-cases", default="*", help="cases or their beginnings, separated by commas; all by default")
    group.addoption("--pe-require", action="store_true", help="fail unless every gate of every case was judged")
    group.addoption("--pe-cache-dir", type=Path, help="folder of exported artifacts; the user's cache by default")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse an unknown case before anything is collected; workers of xdist leave the ledger to their controller."""
    try:
        _cases(config)
    except UsageError as error:
        raise pytest.UsageError(f"--pe-cases: {error}") from error
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Requirement(config))  # without a name, by which it could be blocked


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist alone may have met the conftest that requires the gates."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["pe_require"] = session.config.getoption("--pe-require")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say whose weights are validated and who computes the Core ML numbers."""
    from pe_validate.targets.coreml import best_reading

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
    from pe_validate.reference.reference import reference

    loaded: dict[str, Reference] = request.config.stash.setdefault(_LOADED, {})
    if pe_case.model not in loaded:
        loaded[pe_case.model] = reference(pe_case.model, request.config.getoption("--pe-weights"))
    return loaded[pe_case.model]


@pytest.fixture(scope="session")
def pe_artifact(pe_case: Case, pe_reference: Reference, request: pytest.FixtureRequest) -> Artifact:
    """The exported case, from the cache or made now."""
    from pe_validate.targets.export import export

    return export(pe_case, pe_reference.weights, request.config.getoption("--pe-cache-dir"))


@pytest.fixture(scope="session")
def pe_runtime(pe_case: Case, pe_artifact: Artifact) -> Iterator[Runtime]:
    """The artifact as a phone would compute it, in a child process."""
    from pe_validate.gates.evidence import reading_for
    from pe_validate.machines.isolation import IsolatedRuntime

    with IsolatedRuntime(pe_artifact.path, pe_case.target, reading_for(pe_case, "loss")) as runtime:
        yield runtime


@pytest.fixture
def pe_verdicts(
    pe_case: Case, pe_artifact: Artifact, pe_reference: Reference, record_property: Callable[[str, object], None]
) -> tuple[Verdict, ...]:
    """What every gate says of the case; it counts as judged if the test that asked passes."""
    from pe_validate.walk.walk import examine

    verdicts = examine(pe_artifact, pe_reference)
    record_property(PROPERTY, entry(pe_case, (v.gate for v in verdicts if v.status == "pass")))
    return verdicts


class Requirement:
    """Keeps the ledger of a run, in the process that reports it, and turns the run red at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._ledger, self._missing = config, Ledger(), list[str]()
        self._required_by_a_worker = False
        self._named = config.getoption("--pe-require")  # and not by a conftest, whose tests may be listed

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear what a worker of xdist was asked for."""
        self._required_by_a_worker |= bool(getattr(node, "workeroutput", {}).get("pe_require"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Enter what a test has recorded, if it passed and was not expected to fail."""
        if report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
            for name, value in report.user_properties:
                if name == PROPERTY:
                    self._ledger.enter(str(value))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare with what was asked for."""
        # Asked only now: a conftest that pytest meets while collecting may require it.
        required = self._config.getoption("--pe-require") or self._required_by_a_worker
        listed = session.config.option.collectonly and not self._named
        if not required or listed or session.exitstatus == pytest.ExitCode.INTERRUPTED:
            return
        self._missing = self._ledger.missing(_cases(self._config), self._config.getoption("--pe-weights"))
        if self._missing and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which cells are missing."""
        if self._missing:
            terminalreporter.section("not proved", red=True)
            for sentence in self._missing:
                terminalreporter.write_line(sentence, red=True)


_LOADED: pytest.StashKey[dict[str, Reference]] = pytest.StashKey()


def _cases(config: pytest.Config) -> tuple[Case, ...]:
    patterns: str = config.getoption("--pe-cases")
    return select([pattern.strip() for pattern in patterns.split(",")])
