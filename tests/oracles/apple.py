"""Apple's operator tests, which coremltools ships, with the reference evaluator where they predict with Core ML.

    python -m pytest -c tests/oracles/pytest.ini --pyargs coremltools.converters.mil.mil.ops.tests

Off macOS these tests convert, then compare nothing, and pass. Here each prediction saves the package, reads it with
``mil.load`` and compares what it computes. Their tolerance in float16 (atol 0.5, rtol 0.05) is replaced by a few units
in the last place. A test that predicts nothing is counted as such, and a run in which most predict nothing fails. One
that stops at an operator that the evaluator declares as not supported is skipped with the operator's name.

Options: ``--every N`` runs every Nth case, ``--table FILE`` writes operator × opset × cases as Markdown.
"""

from __future__ import annotations

import gc
import itertools
import os
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

os.environ["PYMIL_TEST_TARGETS"] = "mlprogram"
os.environ["INCLUDE_MIL_FP32_UNIT_TESTS"] = "1"

from coremltools.converters.mil import testing_utils
from coremltools.models import MLModel
from coremltools.models import utils as model_utils

from pe_validate import mil
from pe_validate.mil.inspection import OPSETS
from pe_validate.system.errors import RunError

UNSUPPORTED: Final = frozenset({
    # recurrent
    "gru", "lstm", "rnn",
    # random
    "random_bernoulli", "random_categorical", "random_normal", "random_uniform",
    # lists
    "list_gather", "list_length", "list_read", "list_scatter", "list_write", "make_list",
    # boxes
    "non_maximum_suppression",
    # state
    "read_state",
})  # fmt: skip

DISAGREEMENTS: Final = {
    r"ResponseNorm::test_builder_to_backend_smoke.*fp32": "its values leave out the neighbours that its formula sums",
    r"iOS15/.*TestResample::test_builder_to_backend_smoke.*fp32": "counts casts, as in an fp16 program",
    r"iOS15/.*TestCropResize::test_builder_to_backend_smoke": "its box is outside of the image and inverted",
    r"iOS1[67]/.*TestCropResize::test_builder_to_backend_ios16.*fp32": "its 7.9 is given as 7.899",
    r"iOS17/.*TestCropResize::test_builder_to_backend_ios17.*fp32.*N=3": "its 7.9 is given as 7.899",
    r"test_ios17_invalid_indices.*validate_indices=False": "wants any wrong result; the evaluator refuses to give one",
}
"""Cases that must fail, and what their expected values say that the operator's documentation does not."""

INTRODUCTION: Final = """\
# Apple's operator tests on the evaluator

coremltools 9.0 carries the tests of every MIL operator. On Linux they pass without computing anything; here
`tests/oracles/apple.py` puts `pe_validate.mil` in the place of Core ML, and a case counts as computed only when a
package was saved, read back and predicted. fp16 results must agree to 2⁻⁸ of each value or 2⁻⁹ of the largest one,
where Apple's own default is 0.5.

Made by `tox -e mil -- --table docs/coreml-operators.md`. The tests of random and recurrent operators, which are not
supported, are left out. A disagreement is a case whose expected values are not what the operator's documentation says;
it has to fail. `xfailed` and `xpassed` are by Apple's own marks.

"""

LEFT_OUT: Final = frozenset({"test_recurrent.py", "test_random.py"})

# Units in the last place: float16 has 11 bits. Sums of rounded terms need more than one.
HALF_RTOL: Final = 2.0**-8
HALF_ATOL: Final = 2.0**-9
"""Of the largest expected value."""


@dataclass
class Computed:
    """What the evaluator computed during the current test."""

    predictions: int = 0
    operators: set[tuple[str, str]] = field(default_factory=set)


computed = Computed()

COLLECT_EVERY: Final = 50
_tests = itertools.count()


def predict(model: MLModel, data: dict[str, Any], state: object = None) -> dict[str, Any]:
    """``MLModel.predict``: saved to disk, read and computed by the evaluator."""
    if not model.is_package:
        pytest.skip("not supported: neuralnetwork")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.mlpackage"
        model.save(str(path))
        try:
            outputs = mil.load(path, mode="declared").predict(data)
        except RunError as error:
            _skip_if_declared(str(error))
            raise RuntimeError(f"Unable to compute the prediction using ML Program: {error}") from error  # as Core ML
    computed.predictions += 1
    computed.operators |= _operators(model._spec)
    return outputs


def _skip_if_declared(message: str) -> None:
    found = re.search(r"operator '(\w+)', which the evaluator does not support", message)
    if found and found[1] in UNSUPPORTED:
        pytest.skip(f"not supported: {found[1]}")
    if "is stateful" in message:
        pytest.skip("not supported: state")


def _operators(specification: Any) -> set[tuple[str, str]]:
    found = set()
    for function in specification.mlProgram.functions.values():
        block = function.block_specializations[function.opset]
        found |= {(operation.type, OPSETS[function.opset]) for operation in block.operations}
    return found


def compare_backend(
    mlmodel: MLModel,
    input_key_values: dict[str, Any],
    expected_outputs: dict[str, Any],
    dtype: str = "fp32",
    atol: float = 1e-4,
    rtol: float = 1e-5,
    also_compare_shapes: bool = True,
    state: object = None,
    allow_mismatch_ratio: float = 0.0,
) -> dict[str, Any]:
    """The comparison of ``testing_utils``, with a tolerance for float16 that can fail."""
    outputs = testing_utils.run_core_ml_predict(mlmodel, input_key_values, state)
    if also_compare_shapes:
        testing_utils.compare_shapes(mlmodel, input_key_values, expected_outputs, pred=outputs)
    for name, expected in expected_outputs.items():
        found = testing_utils._get_coreml_out_from_dict(outputs, name)
        if not isinstance(found, np.ndarray):
            assert found == expected
            continue
        expected = np.asarray(expected)
        if dtype == "fp16" or "FLOAT16" in str(mlmodel._spec.mlProgram):
            finite = np.abs(expected[np.isfinite(expected)]).astype(np.float64)
            atol, rtol = max(atol, HALF_ATOL * finite.max(initial=0.0)), max(rtol, HALF_RTOL)
        np.testing.assert_allclose(found, expected, atol=atol, rtol=rtol)
    return dict(outputs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--every`` and ``--table``."""
    group = parser.getgroup("apple", "Apple's operator tests")
    group.addoption("--every", type=int, default=1, metavar="N", help="run every Nth case only")
    group.addoption("--table", type=Path, metavar="FILE", help="write operator × opset × cases as Markdown")


def pytest_configure(config: pytest.Config) -> None:
    """Put the evaluator in the place of Core ML."""
    from coremltools.converters.mil.mil.ops.tests import testing_utils as operator_testing

    MLModel.predict = predict
    MLModel.make_state = lambda self: pytest.skip("not supported: state")
    testing_utils._IS_MACOS = True
    testing_utils.compare_backend = operator_testing.compare_backend = compare_backend
    model_utils._macos_version = lambda: (26, 0)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what needs an operator that is not supported in every case: converting them takes most of an hour."""
    return collection_path.name in LEFT_OUT or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep every Nth, and expect failures where Apple's own values are not what Apple documents."""
    for item in items:
        for pattern, reason in DISAGREEMENTS.items():
            if re.search(pattern, item.nodeid) and "neuralnetwork" not in item.nodeid:
                item.add_marker(pytest.mark.xfail(reason=f"disagreement: {reason}", strict=True))
    every = config.getoption("--every")
    config.hook.pytest_deselected(items=[item for index, item in enumerate(items) if index % every])
    items[:] = items[::every]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note what each test made the evaluator compute; the report carries it, from other processes too."""
    computed.predictions = 0
    computed.operators = set()
    # Each conversion collects garbage: without this, among all that is loaded, for 80 % of the time.
    if next(_tests) % COLLECT_EVERY == 0:
        gc.collect()
        gc.freeze()
    try:
        return (yield)
    finally:
        item.user_properties.append(("predictions", computed.predictions))
        item.user_properties.append(("operators", sorted(computed.operators)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that proves nothing: in which most of what passed did not make the evaluator predict."""
    if hasattr(session.config, "workerinput"):
        return
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    passed = reporter.stats.get("passed", [])
    predicted = sum(bool(dict(report.user_properties).get("predictions")) for report in passed)
    if 2 * predicted < len(passed):
        reporter.ensure_newline()
        reporter.write_line(
            f"{predicted} of {len(passed)} tests that passed predicted anything: this run proves nothing"
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Cases by outcome, and whether the evaluator computed anything in them."""
    outcomes: Counter[str] = Counter()
    operators: dict[str, dict[str, Counter[bool]]] = defaultdict(lambda: defaultdict(Counter))
    for outcome in ("passed", "failed", "skipped", "xfailed", "xpassed"):
        for report in terminalreporter.stats.get(outcome, []):
            properties = dict(report.user_properties)
            passed = outcome in ("passed", "xpassed")
            outcomes[_kind(outcome, report, bool(properties.get("predictions")))] += 1
            for operator, opset in properties.get("operators", []):
                operators[operator][opset][passed] += 1
    for kind, count in outcomes.most_common():
        terminalreporter.write_line(f"{count:6} {kind}")
    table = config.getoption("--table")
    if table and not hasattr(config, "workerinput"):
        table.write_text(_markdown(outcomes, operators), encoding="utf-8")


def _kind(outcome: str, report: pytest.TestReport, computed_something: bool) -> str:
    for reason in DISAGREEMENTS.values():
        if reason in getattr(report, "wasxfail", ""):
            return f"disagreement: {reason}"
    if computed_something:
        return f"{outcome}, computed by the evaluator"
    if outcome == "skipped" and "not supported: " in str(report.longrepr):
        return f"not supported: {str(report.longrepr).rpartition('not supported: ')[2].rstrip(chr(39) + ')')}"
    return f"{outcome}, nothing to compute"


def _markdown(outcomes: Counter[str], operators: dict[str, dict[str, Counter[bool]]]) -> str:
    lines = [INTRODUCTION + "| outcome | cases |", "| --- | --- |"]
    lines += [f"| {kind} | {count:,} |" for kind, count in outcomes.most_common()]
    lines += ["", f"| operator | {' | '.join(OPSETS.values())} |", "| --- " * (1 + len(OPSETS)) + "|"]
    for operator in sorted(operators):
        counts = [operators[operator][opset] for opset in OPSETS.values()]
        lines.append(f"| {operator} | {' | '.join(map(_cell, counts))} |")
    return "\n".join(lines) + "\n"


def _cell(count: Counter[bool]) -> str:
    if not count:
        return ""
    return f"{count[True]:,}" if not count[False] else f"{count[True]:,} of {count.total():,}"
