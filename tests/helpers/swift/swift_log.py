"""What `swift test` says happened; its XML says of a skipped test that it passed."""

from __future__ import annotations

import re
from typing import Final, Literal

Outcome = Literal["passed", "failed", "skipped"]

_LINE: Final = re.compile(r"^Test Case '(\S+)' (passed|failed|skipped) \(", re.MULTILINE)
_MESSAGE: Final = re.compile(r"^.*?: (?:error|XCTSkip|[\w.]+ : Test skipped).*$", re.MULTILINE)


def outcomes(log: str) -> dict[str, Outcome]:
    """Of each test, by its name such as ``LatencyTests.testAColdStartIsReported``."""
    return dict(_LINE.findall(log))


def messages(log: str) -> str:
    """Lines that say why something failed or was skipped; the end of the log when there are none."""
    found = _MESSAGE.findall(log)
    return "\n".join(found or log.splitlines()[-40:])
