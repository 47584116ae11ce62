"""Find what has changed from one report to another: cases, gates, numbers, limits and costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pe_validate.data.difference import Aspect, Difference, Finding, Kind, Side
from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.data.verdict import Verdict
from pe_validate.report.costs_apart import cost_findings
from pe_validate.report.noise import NUMBERS, moves
from pe_validate.system.errors import ReportError, UsageError

RANK: Final = {"pass": 0, "fail": 1, "error": 2}
"""How bad an outcome is; of what could not be run even less is known than of what fails."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One case as both reports have it; ``exact`` if a repeat gives the same bits."""

    base: Result
    head: Result
    exact: bool

    def finding(self, subject: str, aspect: Aspect, kind: Kind, base: str, head: str, why: str = "") -> Finding:
        """Return a finding of this case."""
        return Finding(self.head.name, subject, aspect, kind, base, head, why)


def difference(base: Report, head: Report, names: tuple[str, str]) -> Difference:
    """Return what has changed from ``base`` to ``head``, which were read from ``names``.

    Raises:
        ReportError: a report has a case twice.
        UsageError: both have results, but no case in common.
    """
    before, after = (by_name(report, name) for report, name in zip((base, head), names, strict=True))
    both = [name for name in before if name in after]
    if before and after and not both:
        raise UsageError(f"'{names[0]}' and '{names[1]}' have no case in common: compare reports of the same cases.")
    alike = base.machine == head.machine and base.tools == head.tools
    pairs = [Pair(before[name], after[name], alike and _same_file(before[name], after[name])) for name in both]
    findings = [*_ended(base, head), *_cases(before, after)]
    findings += [finding for pair in pairs for finding in _findings(pair)]
    sides = [Side(name, r.command, r.created, r.machine, r.commit) for name, r in zip(names, (base, head), strict=True)]
    return Difference(sides[0], sides[1], len(both), tuple(findings), tuple(_notes(base, head, pairs)))


def by_name(report: Report, path: str) -> dict[str, Result]:
    """Return the results of a report by their names.

    Raises:
        ReportError: two have the same.
    """
    found: dict[str, Result] = {}
    for result in report.results:
        if result.name in found:
            raise ReportError(f"The report '{path}' has {result.name} twice: make it again with 'pe-validate run'.")
        found[result.name] = result
    return found


def sha256_of(result: Result) -> str | None:
    """Return the digest of the file that was judged, if it is known."""
    file = result.artifact or result.judged
    return file.sha256 if file else None


def _same_file(base: Result, head: Result) -> bool:
    digest = sha256_of(base)
    return digest is not None and digest == sha256_of(head) and base.weights_sha256 == head.weights_sha256


def _notes(base: Report, head: Report, pairs: list[Pair]) -> Iterator[str]:
    """Yield what decides how the two are compared."""
    same = sum(_same_file(pair.base, pair.head) for pair in pairs)
    yield f"{same} of {len(pairs)} were judged on the same file."
    if base.machine != head.machine:
        yield f"Another machine: {base.machine} → {head.machine}."
    tools = sorted({*base.tools, *head.tools})
    other = [(tool, base.tools.get(tool, "–"), head.tools.get(tool, "–")) for tool in tools]
    if told := [f"{tool} {before} → {after}" for tool, before, after in other if before != after]:
        yield f"Other tools: {', '.join(told)}."
    if any(pair.base.weights_sha256 != pair.head.weights_sha256 for pair in pairs):
        yield f"Other weights: {base.weights} → {head.weights}."
    if {file.sha256 for file in base.configuration} != {file.sha256 for file in head.configuration}:
        yield "Another configuration of models."
    if base.commit and head.commit and base.commit != head.commit:
        yield f"Commit {base.commit} → {head.commit}."


def _ended(base: Report, head: Report) -> Iterator[Finding]:
    """Yield what ended the commands early."""
    before, after = ([error.sentence for error in report.errors] for report in (base, head))
    for sentence in after:
        kind: Kind = "change" if sentence in before else "regression"
        yield Finding("report", "stages", "stages", kind, "–", "error", sentence)
    for sentence in before if not after else ():
        yield Finding("report", "stages", "stages", "improvement", "error", "–", sentence)


def _cases(before: Mapping[str, Result], after: Mapping[str, Result]) -> Iterator[Finding]:
    """Yield the cases that went and those that are new."""
    for name, result in before.items():
        if name not in after:
            yield Finding(name, "case", "case", "regression", result.status, "–", "it is validated no more")
    for name, result in after.items():
        if name not in before:
            yield Finding(name, "case", "case", "change", "–", result.status, _first(result) or "it is new")


def _first(result: Result) -> str:
    return next(iter(result.sentences), "")


def _findings(pair: Pair) -> Iterator[Finding]:
    """Yield what has changed of one case."""
    found: list[Finding] = []
    if pair.head.error is None and pair.base.error is None:
        found = [finding for gate in _gates(pair) for finding in _of_gate(pair, gate)]
    by = RANK[pair.head.status] - RANK[pair.base.status]
    kind: Kind = "regression" if by > 0 else "improvement" if pair.head.status == "pass" else "change"
    if by and not any(finding.kind == kind and finding.aspect == "gate" for finding in found):
        yield pair.finding("case", "case", kind, pair.base.status, pair.head.status, _first(pair.head))
    yield from found
    yield from cost_findings(pair.base, pair.head)


def _gates(pair: Pair) -> list[str]:
    gates = (verdict.gate for result in (pair.base, pair.head) for verdict in result.verdicts)
    return list(dict.fromkeys((*gates, *pair.base.required)))


def _of_gate(pair: Pair, gate: str) -> Iterator[Finding]:
    """Yield what has changed of one gate: whether it is asked, its limits, then its verdict and its numbers."""
    base, head = pair.base.verdict(gate), pair.head.verdict(gate)
    if gate in pair.base.required and gate not in pair.head.required:
        yield pair.finding(gate, "limit", "regression", "required", "not required" if head else "–", "no longer asked")
    elif base and not head:
        yield pair.finding(gate, "gate", "regression", base.status, "–", "nothing judged it")
    if head and not base:
        kind: Kind = "change" if head.status == "pass" else "regression"
        yield pair.finding(gate, "gate", kind, "–", head.status, head.sentence)
    if base and head:
        yield from _limits(pair, base, head)
        yield from _verdicts(pair, base, head)


def _limits(pair: Pair, base: Verdict, head: Verdict) -> Iterator[Finding]:
    """Yield the limits of a gate that were edited."""
    if not base.tolerance or not head.tolerance:
        return
    before, after = base.tolerance.limit, head.tolerance.limit
    edited = [number for number in NUMBERS if number.of(before) != number.of(after)]
    weaker = any((number.of(after) > number.of(before)) == number.rises for number in edited)
    if edited:
        old, new = (", ".join(f"{n.name} {n.show(n.of(row))}" for n in edited) for row in (before, after))
        said = f"the limit is {'weaker' if weaker else 'stronger'}"
        if head.tolerance.reason != base.tolerance.reason:
            said += f", because {head.tolerance.reason}"
        yield pair.finding(head.gate, "limit", "regression" if weaker else "change", old, new, said)


def _verdicts(pair: Pair, base: Verdict, head: Verdict) -> Iterator[Finding]:
    """Yield the change of a gate's outcome with its numbers, or of its numbers alone."""
    found = moves(base, head, exact=pair.exact)
    said = "; ".join(f"{move.name} {move.base} → {move.head} ({move.why})" for move in found)
    if base.status != head.status:
        worse = RANK[head.status] > RANK[base.status]
        why = said or (head.sentence if worse else "")
        kind: Kind = "regression" if worse else "improvement"
        yield pair.finding(head.gate, "gate", kind, base.status, head.status, why)
    elif found:
        shown = next((move for move in found if move.worse), found[0])
        kind = "regression" if shown.worse else "improvement"
        others = "; ".join(f"{m.name} {m.base} → {m.head}" for m in found if m is not shown)
        why = f"{shown.why}; {others}" if others else shown.why
        yield pair.finding(head.gate, "numbers", kind, f"{shown.name} {shown.base}", f"{shown.name} {shown.head}", why)
