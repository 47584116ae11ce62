"""The pytest plugin: fixtures and options for conversion tests, in this project and in its users' projects.

A test that uses ``pe_case`` runs once for every selected case. ``pe_artifact`` is the exported case (made once, however
many xdist workers there are), ``pe_runtime`` runs it in a child process, and ``pe_reference`` is the model that it came
from::

    def test_my_own_property(pe_reference, pe_runtime):
        for sample in pe_reference.inputs:
            assert ...

    pytest --pe-weights file:my.safetensors --pe-cases PE-Core-T16-384/pte
    pytest --pe-artifact build/encoder.pte --pe-model PE-Core-T16-384

Without ``--pe-cases`` the cases are those of ``pe-validate run``: the models of the configuration file, if there is
one. ``pe_result`` is the result of the case, as in ``pe-validate run``, and ``pe_verdicts`` are the verdicts of all
gates on it. With ``--pe-require`` a run fails unless passing tests have used the result of every selected case: tests
that were skipped, deselected or expected to fail do not count. Tests that use an artifact are marked ``slow``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pe_validate.data.artifact import Artifact
    from pe_validate.data.case import Case
    from pe_validate.data.result import Result
    from pe_validate.data.verdict import Verdict
    from pe_validate.reference.reference import Reference
    from pe_validate.targets.runtime import Runtime
    from pe_validate.walk.check import Claim

# Everything is imported where it is used, because every pytest run in an environment loads the plugin.

PROPERTY = "pe_validate gates"
"""Name of the property in which a passed test records its case and the gates that it has judged, as JSON."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options that start with ``--pe-``."""
    group = parser.getgroup("pe_validate", "Perception Encoder conversions")
    group.addoption(
        "--pe-weights",
        default="seed:7",
        help="seed:N, seed:N+outliers, trained, file:PATH or hf:REPO[@REVISION][:FILE]",
    )
    group.addoption(
        "--pe-cases", help="cases or their beginnings, separated by commas; by default those of 'pe-validate run'"
    )
    group.addoption(
        "--pe-artifact",
        action="append",
        metavar="FILE",
        help="a file of --pe-model to test in place of an exported case; may be repeated",
    )
    group.addoption("--pe-model", help="the model that files of --pe-artifact claim to be")
    group.addoption("--pe-require", action="store_true", help="fail unless every gate of every case was judged")
    group.addoption("--pe-cache-dir", type=Path, help="folder of exported artifacts; the user's cache by default")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse unknown cases before anything is collected, and keep a ledger, except in xdist workers."""
    if config.getoption("--pe-cases") is not None or config.getoption("--pe-artifact"):
        from pe_validate.system.errors import PEValidateError

        option = "--pe-artifact" if config.getoption("--pe-artifact") else "--pe-cases"
        try:
            _cases(config)
        except PEValidateError as error:
            raise pytest.UsageError(f"{option}: {error}") from error
    config.addinivalue_line("markers", "slow: exports an artifact, or runs one; given to every test that uses one")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Requirement(config))  # unnamed, so that it cannot be blocked with -p no:NAME


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that use an artifact as slow, so that ``-m "not slow"`` leaves them out."""
    if "pe_artifact" in getattr(item, "fixturenames", ()):
        item.add_marker("slow")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the controller that gates are required; maybe only xdist workers have read the conftest that says so."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["pe_require"] = session.config.getoption("--pe-require")


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Report which weights are validated and which runtime computes the Core ML numbers, if tests use a case."""
    if not any("pe_case" in getattr(item, "fixturenames", ()) for item in items):
        return []
    from pe_validate.targets.coreml import best_reading

    computed = "Core ML" if best_reading() == "native" else "the reference evaluator, Core ML itself did not run"
    return [f"pe_validate: weights {config.getoption('--pe-weights')}; Core ML numbers come from {computed}"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise tests that use ``pe_case`` with every selected case."""
    if "pe_case" not in metafunc.fixturenames:
        return
    cases = [
        # With --dist loadgroup, all tests of a case run on one worker, which opens its runtime once.
        pytest.param(case, id=str(case), marks=pytest.mark.xdist_group(str(case)))
        for case in _cases(metafunc.config)
    ]
    metafunc.parametrize("pe_case", cases, scope="session")


@pytest.fixture(scope="session")
def pe_reference(pe_case: Case, request: pytest.FixtureRequest) -> Reference:
    """The reference of the case: its model with the chosen weights, and the inputs of ``pe-validate run``."""
    from pe_validate.inputs.cache import default_cache_dir
    from pe_validate.reference.reference import reference
    from pe_validate.reference.store import AnswerStore

    loaded: dict[str, Reference] = request.config.stash.setdefault(_LOADED, {})
    if pe_case.model not in loaded:
        folder = (request.config.getoption("--pe-cache-dir") or default_cache_dir()) / "answers"
        weights = request.config.getoption("--pe-weights")
        with _one_sentence():
            loaded[pe_case.model] = reference(pe_case.model, weights, store=AnswerStore(folder))
    return loaded[pe_case.model]


@pytest.fixture(scope="session")
def pe_artifact(pe_case: Case, pe_reference: Reference, request: pytest.FixtureRequest) -> Artifact:
    """The file of ``--pe-artifact``, or the exported case, from the cache or exported now."""
    from pe_validate.targets.export import export
    from pe_validate.walk.files import adopted

    with _one_sentence():
        if claim := _claims(request.config).get(pe_case):
            return adopted(claim, request.config.getoption("--pe-weights"))
        return export(pe_case, pe_reference.weights, request.config.getoption("--pe-cache-dir"))


@pytest.fixture(scope="session")
def pe_runtime(pe_case: Case, pe_artifact: Artifact, pe_reference: Reference) -> Iterator[Runtime]:
    """The artifact, read as a phone would compute it, in a child process."""
    from pe_validate.machines.isolation import opened

    with opened(pe_case, pe_artifact.path, pe_reference.model.interface) as runtime:
        yield runtime


@pytest.fixture
def pe_result(pe_case: Case, pe_artifact: Artifact, pe_reference: Reference, request: pytest.FixtureRequest) -> Result:
    """The result of the case, as in ``pe-validate run``; its gates count as judged if the test passes."""
    from pe_validate.testing.ledger import entry
    from pe_validate.walk.again import command
    from pe_validate.walk.walk import evidence_of, examine

    options = {"--weights": request.config.getoption("--pe-weights")}
    if pe_artifact.made_here:
        again = command("run", str(pe_case), options=options)
    else:
        again = command("check", str(pe_artifact.path), "--model", pe_case.model, options=options)
    with _one_sentence():
        result = examine(evidence_of(pe_artifact, pe_reference), again)
    judged = entry(pe_case, (verdict.gate for verdict in result.verdicts if verdict.status == "pass"))
    # Not by record_property, which warns with the default form of --junitxml.
    request.node.user_properties.append((PROPERTY, judged))
    return result


@pytest.fixture
def pe_verdicts(pe_result: Result) -> tuple[Verdict, ...]:
    """The verdicts of all gates on the case."""
    return pe_result.verdicts


class Requirement:
    """Keeps the ledger of a run, in the process that reports it, and fails the run if cells are missing."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._recorded, self._missing = config, list[str](), list[str]()
        self._required_by_a_worker = False
        self._named = config.getoption("--pe-require")  # on the command line; a conftest's may be ignored by --co

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Learn from an xdist worker whether gates are required."""
        self._required_by_a_worker |= bool(getattr(node, "workeroutput", {}).get("pe_require"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Enter the record of a test that passed and was not expected to fail."""
        if report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
            for name, value in report.user_properties:
                if name == PROPERTY:
                    self._recorded.append(str(value))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run if a required gate of a selected case was not judged."""
        # Read only now, because a conftest that is loaded during collection may set the option.
        required = self._config.getoption("--pe-require") or self._required_by_a_worker
        listed = session.config.option.collectonly and not self._named
        if not required or listed or session.exitstatus == pytest.ExitCode.INTERRUPTED:
            return
        from pe_validate.testing.ledger import Ledger

        ledger = Ledger()
        for record in self._recorded:
            ledger.enter(record)
        made_here = not self._config.getoption("--pe-artifact")
        weights = self._config.getoption("--pe-weights")
        self._missing = ledger.missing(_cases(self._config), weights, made_here=made_here)
        if self._missing and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Report the missing cells."""
        if self._missing:
            terminalreporter.section("not proved", red=True)
            for sentence in self._missing:
                terminalreporter.write_line(sentence, red=True)


_LOADED: pytest.StashKey[dict[str, Reference]] = pytest.StashKey()
_CLAIMS: pytest.StashKey[dict[Case, Claim]] = pytest.StashKey()


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Report the error of a stage as its one sentence, without a traceback through this project."""
    from pe_validate.system.errors import PEValidateError

    try:
        yield
    except PEValidateError as error:
        pytest.fail(str(error), pytrace=False)


def _claims(config: pytest.Config) -> dict[Case, Claim]:
    """Return the files of ``--pe-artifact`` by the case that each claims to be; they are read once."""
    if _CLAIMS not in config.stash:
        from pe_validate.walk.files import claims

        config.stash[_CLAIMS] = claims(config.getoption("--pe-artifact") or [], config.getoption("--pe-model"))
    return config.stash[_CLAIMS]


def _cases(config: pytest.Config) -> tuple[Case, ...]:
    from pe_validate.case import default_cases, select

    if config.getoption("--pe-artifact"):
        return tuple(_claims(config))
    patterns: str | None = config.getoption("--pe-cases")
    return default_cases() if patterns is None else select([pattern.strip() for pattern in patterns.split(",")])
