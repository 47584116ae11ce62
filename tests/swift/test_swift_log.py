from __future__ import annotations

from swift_log import messages, outcomes

LOG = """\
Test Suite 'LatencyTests' started at 2026-11-24 19:57:37.345
Test Case 'LatencyTests.testA' started at 2026-11-24 19:57:37.345
Test Case 'LatencyTests.testA' passed (6.883 seconds)
/src/LatencyTests.swift:9: LatencyTests.testB : Test skipped: No artifacts in 'Resources'.
Test Case 'LatencyTests.testB' skipped (0.0 seconds)
/src/MemoryTests.swift:41: error: MemoryTests.testC : XCTAssertTrue failed - it leaks
Test Case 'MemoryTests.testC' failed (0.397 seconds)
Test Case 'MemoryTests.testD' started at 2026-11-24 19:58:32.968
\t Executed 3 tests, with 1 test skipped and 1 failure (0 unexpected) in 7 (7) seconds
"""


def test_a_skipped_test_is_not_a_passed_one() -> None:
    assert outcomes(LOG) == {
        "LatencyTests.testA": "passed",
        "LatencyTests.testB": "skipped",
        "MemoryTests.testC": "failed",
    }


def test_reasons_are_shown() -> None:
    assert messages(LOG).splitlines() == [LOG.splitlines()[3], LOG.splitlines()[5]]


def test_without_reasons_the_end_is_shown() -> None:
    assert messages("one\ntwo") == "one\ntwo"
