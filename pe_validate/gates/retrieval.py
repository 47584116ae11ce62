"""retrieval: nearest neighbours stay the same as in float32; this is how a search experiences loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.limits import AgreementTolerance
from pe_validate.data.tasks import Agreement
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Column, Gate, Subject
from pe_validate.gates.limits import row_of

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class RetrievalGate(Gate):
    """Compares the nearest neighbours among photograph crops, or among their tokens."""

    name = "retrieval"
    columns = (
        Column(
            "top-1 / top-5 kept", lambda v: f"{v.agreement.top1:.1%} / {v.agreement.top5:.1%}" if v.agreement else None
        ),
    )

    def required(self, subject: Subject) -> bool:
        """Require it of embeddings, in precisions that have a row of limits."""
        embeds = subject.model.answer is not None
        return subject.here and embeds and row_of(subject.case, self.name, AgreementTolerance) is not None

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Look up the queries in the bank, as embedded by the model and by the artifact."""
        row = row_of(evidence.case, self.name, AgreementTolerance)
        answer = evidence.model.answer
        if row is None or answer is None or not evidence.comparable:
            return None
        from pe_validate.tasks.retrieval import agreement, moved

        search, embeddings = evidence.reference.search, answer.embeddings
        answers = evidence.ask(search.queries)
        bank, expected, found = (embeddings(each) for each in (search.bank, search.trained, answers))
        verdict = judge_agreement(evidence.case, answers.producer, agreement(bank, expected, found), row)
        if not answer.per_image:
            return verdict
        names, entries = list(search.trained.features), list(search.bank.features)
        return replace(verdict, moved=moved(bank, expected, found, names, entries))


def judge_agreement(case: Case, producer: str, found: Agreement, row: AgreementTolerance) -> Verdict:
    """Judge an agreement by its row of limits."""
    passes = found.top1 >= row.limit.top1 and found.top5 >= row.limit.top5
    sentence = (
        f"{case} {'passes' if passes else 'fails'} retrieval: {producer} keeps {found.top1:.1%} of the nearest "
        f"neighbours and {found.top5:.1%} of the nearest five, limits {row.limit.top1:.0%} and {row.limit.top5:.0%}"
    )
    sentence += "." if passes else f"; the limits are there because {row.reason}"
    return Verdict(case, "retrieval", "pass" if passes else "fail", sentence, producer=producer, agreement=found)


RETRIEVAL: Final = RetrievalGate()
