"""Accept regressions that were named, each for a reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pe_validate.data.difference import Difference
from pe_validate.system.errors import UsageError
from pe_validate.system.legible import printable
from pe_validate.system.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A regression by its name, and the reason for which it is accepted."""

    name: str
    reason: str


def acceptance(words: str) -> Acceptance:
    """Return what ``CASE/GATE=REASON`` says.

    Raises:
        UsageError: it names nothing, or gives no reason.
    """
    name, _, reason = (part.strip() for part in words.partition("="))
    if not name or not reason:
        raise UsageError(f"--allow '{words}' is not CASE/GATE=REASON: name a regression, and say why it is accepted.")
    return Acceptance(printable(name), printable(reason))


def accepted(found: Difference, acceptances: Iterable[Acceptance]) -> Difference:
    """Return the difference with the reasons of what was accepted.

    Raises:
        UsageError: one names no regression that was found.
    """
    reasons = {each.name: each.reason for each in acceptances}
    names = [finding.name for finding in found.findings if finding.kind == "regression"]
    for name in reasons:
        if name not in names:
            raise UsageError(
                f"--allow names '{name}', which is no regression here: take it away.{did_you_mean(name, names)}"
            )
    findings = (
        replace(finding, allowed=reasons.get(finding.name)) if finding.kind == "regression" else finding
        for finding in found.findings
    )
    return replace(found, findings=tuple(findings))
