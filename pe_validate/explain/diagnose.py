"""Find the known mistake that explains what an artifact answers.

Each mistake is tried: the model is altered so, and what it then answers is compared with what the artifact answered.
A mistake explains the artifact if the two agree as closely as the artifact's precision allows, far more closely than
the model as it should be, and than any other mistake. Anything less is no diagnosis: a wrong one costs more than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, takewhile
from math import inf, nan
from time import perf_counter
from typing import Final

import numpy as np

from pe_validate.data.case import Case
from pe_validate.data.diagnosis import Diagnosis
from pe_validate.data.verdict import Verdict
from pe_validate.explain.guesses import (
    Guess,
    agreement,
    as_it_should_be,
    elsewhere,
    inside,
    outside,
    pairs,
    superposed,
    unaltered,
    with_outputs,
    with_tensors_of_the_file,
)
from pe_validate.explain.suspect import Suspect, suspects_of
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.weights import WEIGHTS
from pe_validate.inputs.images import Sample

SLACK_DB: Final = 3.0
"""How much less than the limit for a sound artifact may be left of the agreement."""

GAIN_DB: Final = 10.0
"""How much closer the altered model must be than the model as it should be."""

LEAD_DB: Final = 6.0
"""How much closer it must be than with any other mistake."""

FLOOR_DB: Final = 14.0
"""An agreement of less proves nothing, whatever the precision."""

EXACT_DB: Final = 100.0
"""Agreement in float32: nothing else is tried, and two mistakes that agree so well are the same."""

NOTHING_DB: Final = 110.0
"""Agreement with the model itself of one that is not altered."""

VERIFIED: Final = 3
"""The number of inputs on which the likeliest mistakes are compared."""

RIVALS: Final = 6
"""The number of the likeliest mistakes that are compared so."""

PART_DB: Final = 2.0
"""How much closer a mistake must be, by itself, to be thought one of two."""

SURE_DB: Final = 60.0
"""The least agreement at which two mistakes are looked for of which neither explains a part: others may come near."""

PARTNERS: Final = 3
"""The number of the likeliest mistakes that are combined with every other."""

LARGEST_HALF: Final = float(np.finfo(np.float16).max)

FEW: Final = 0.2
"""The share of a program's tensors that may be other than they should for those to be named."""

BUDGET: Final = 45.0
"""Seconds after which no further mistake is tried."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """A guess, and its agreement with the artifact in dB: on the first input, or the worst of several."""

    guess: Guess
    snr_db: float


def diagnosis_of(evidence: Evidence, verdicts: Sequence[Verdict], place: str | None = None) -> Diagnosis | None:
    """Return the diagnosis of an artifact that failed a gate, or None if no gate failed that compares its answers.

    The artifact is not run again. ``place`` is where it first leaves its model, if that is known.
    """
    suspects = suspects_of(evidence, verdicts, place)
    several = [overflowing(suspect, evidence) or diagnose(suspect) for suspect in suspects]
    found = reduce(_and, several) if several else None
    lost = next((verdict.layers for verdict in verdicts if verdict.layers), ())
    if lost and not (found and found.names) and len(lost) <= FEW * len(evidence.reference.constants(evidence.case)):
        return _by_digest(evidence.case, lost, found)
    return found


def _and(form: Diagnosis, artifact: Diagnosis) -> Diagnosis:
    """Return the diagnosis of an artifact whose form is wrong already."""
    if not (form.names and artifact.names):
        return form if form.names else artifact
    if set(form.names) <= set(artifact.names):
        return artifact
    return replace(artifact, names=(*form.names, *artifact.names), saying=f"{form.saying} and {artifact.saying}")


def overflowing(suspect: Suspect, evidence: Evidence) -> Diagnosis | None:
    """Return the diagnosis of answers that are not finite, if float32 values of the lowered form exceed float16."""
    lost = [s for s in suspect.samples if not np.isfinite(suspect.found[s.name]).all()]
    lost = [s for s in lost if np.isfinite(suspect.trained[s.name]).all()]
    if not lost:
        return None
    import torch

    from pe_validate.explain.on_model import largest

    form = evidence.reference.rewrite(evidence.case, exact=False).module
    found = largest(form, tuple(map(torch.from_numpy, lost[0].values)))
    if found <= LARGEST_HALF:
        return None
    words = f"with values of up to {found:,.0f}, and float16 holds {LARGEST_HALF:,.0f}"
    return Diagnosis(suspect.case, suspect.gate, ("float16 overflow",), words, nan, -inf, nan, 1, 0.0)


def _by_digest(case: Case, lost: tuple[str, ...], found: Diagnosis | None) -> Diagnosis:
    """Return the diagnosis of a file that lacks the bytes of a few tensors; what it has instead is not known."""
    from pe_validate.explain.on_tensors import other_values

    before = found.before_db if found else nan
    tried, seconds = (found.tried, found.seconds) if found else (0, 0.0)
    return Diagnosis(case, WEIGHTS.name, lost, other_values(lost), nan, before, nan, tried, seconds)


def diagnose(suspect: Suspect, budget: float = BUDGET) -> Diagnosis:
    """Return the mistake, or the two, that explain the answers of a suspect; without names if none does."""
    start = perf_counter()
    search = _Search(suspect, start + budget)
    found = search.single() or search.tensors() or search.pair()
    chosen, following = found or (None, -inf)
    return Diagnosis(
        suspect.case,
        suspect.gate,
        chosen.guess.names if chosen else (),
        chosen.guess.saying if chosen else "",
        chosen.snr_db if chosen else -inf,
        search.before(VERIFIED),
        following,
        search.tried,
        round(perf_counter() - start, 1),
    )


class _Search:
    def __init__(self, suspect: Suspect, deadline: float) -> None:
        self.suspect, self._deadline = suspect, deadline
        self._samples = suspect.samples[:VERIFIED]
        self._sound, self._unaltered = as_it_should_be(suspect), unaltered(suspect)
        self._scored: list[_Scored] = []
        self.ambiguous = False
        self.tried = 0

    def before(self, count: int) -> float:
        """Return the agreement with the model as it should be."""
        return self._worst(self._sound, self._samples[:count])

    def single(self) -> tuple[_Scored, float] | None:
        """Return the mistake that explains everything, and the agreement with the next likely one.

        Before the many in the model itself are tried, two outside of it are, if they agree as nothing else could: one
        with the output costs no more than arithmetic on top of one with the input.
        """
        self._scored = list(self._try(outside(self.suspect)))
        if not self._is_decided(self._scored):
            fed = [each.guess for each in self._scored if each.guess.change]
            both = list(self._try(chain.from_iterable(with_outputs(guess, self.suspect) for guess in fed)))
            if self._is_decided(both) and (found := self._choose(both)):
                return found
            self._scored += self._try(inside(self.suspect))
        return self._choose(self._scored)

    def tensors(self) -> tuple[_Scored, float] | None:
        """Return the tensors that the file stores and should not, if they explain everything."""
        return None if self.ambiguous else self._choose(list(self._try(with_tensors_of_the_file(self.suspect))))

    def pair(self) -> tuple[_Scored, float] | None:
        """Return the two mistakes that explain everything together."""
        if self.ambiguous:
            return None
        ranked = sorted(self._scored, key=lambda scored: -scored.snr_db)
        inner = [scored.guess for scored in ranked if scored.guess.change or scored.guess.mistake]
        found = self._choose(list(self._try(pairs(self.suspect, inner, self._partners(inner)))))
        if found or self.ambiguous or self.suspect.limit_db < SURE_DB:
            return found
        guesses = takewhile(lambda _: perf_counter() < self._deadline, chain(inner, elsewhere(self.suspect)))
        return self._choose(list(self._try(superposed(self.suspect, guesses))))

    def _partners(self, guesses: Sequence[Guess]) -> list[Guess]:
        """Return the guesses that explain a part of the error by themselves, whatever the scale of the output."""
        first = self._samples[0]
        alone = self._sound.likeness(self.suspect, first) + PART_DB
        likely = {id(guess): guess.likeness(self.suspect, first) for guess in guesses}
        found = [guess for guess in guesses if likely[id(guess)] >= alone]
        return sorted(found, key=lambda guess: -likely[id(guess)])[:PARTNERS]

    def _try(self, guesses: Iterator[Guess]) -> Iterator[_Scored]:
        """Yield guesses with their agreement on the first input for which they have an answer, until time is up.

        Once one explains the artifact in float32, the rest of its topic is tried and no other.
        """
        decided = ""
        for guess in guesses:
            if (decided and guess.topic != decided) or perf_counter() > self._deadline:
                return
            found = self._first(guess)
            self.tried += 1
            if found is None or self._alters_nothing(guess):
                continue
            yield (scored := _Scored(guess, found))
            if self._is_decided([scored]):
                decided = guess.topic

    def _is_decided(self, scored: Sequence[_Scored]) -> bool:
        """Return whether one of them explains the artifact in float32."""
        return any(
            each.snr_db >= EXACT_DB and self._explains(each.guess, each.snr_db, self._samples[:1]) for each in scored
        )

    def _alters_nothing(self, guess: Guess) -> bool:
        """Return whether a mistake is none with this model, such as an operator in the place of itself."""
        first = self._samples[0]
        answer, own = (each(first) for each in (guess, self._unaltered))
        return guess.float32 and answer is not None and own is not None and agreement(own, answer) >= NOTHING_DB

    def _first(self, guess: Guess) -> float | None:
        """Return the agreement on the first input for which a guess has an answer."""
        found = (guess.agreement(self.suspect, sample) for sample in self._samples)
        return next((snr for snr in found if snr is not None), None)

    def _choose(self, scored: Sequence[_Scored]) -> tuple[_Scored, float] | None:
        ranked = sorted(scored, key=lambda each: -each.snr_db)
        likely = [each for each in ranked if self._explains(each.guess, each.snr_db, self._samples[:1])][:RIVALS]
        verified = [_Scored(each.guess, self._worst(each.guess, self._samples)) for each in likely]
        standing = [each for each in verified if self._explains(each.guess, each.snr_db, self._samples)]
        standing = [each for each in standing if self._holds_everywhere(each.guess)]
        if not standing:
            return None
        best = max(standing, key=lambda each: each.snr_db)
        others = [each for each in ranked if each.guess.names != best.guess.names][:RIVALS]
        rivals = [_Scored(each.guess, self._worst(each.guess, self._samples)) for each in others]
        close = [each for each in rivals if each.snr_db > best.snr_db - LEAD_DB]
        if any(not self._same(best.guess, each.guess) for each in close):
            self.ambiguous = True
            return None
        following = max((each.snr_db for each in rivals if each not in close), default=-inf)
        return _with_equals(best, close), following

    def _explains(self, guess: Guess, snr_db: float, samples: Sequence[Sample]) -> bool:
        before = self._worst(self._sound, samples)
        if guess.float32:
            before = max(before, self._worst(self._unaltered, samples))
        return snr_db >= max(guess.limit_db - SLACK_DB, FLOOR_DB, before + GAIN_DB)

    def _holds_everywhere(self, guess: Guess) -> bool:
        """Return whether a guess agrees with the artifact on every input that shows an error."""
        for sample in self.suspect.samples:
            found, sound = (self._worst(each, [sample]) for each in (guess, self._sound))
            known = guess.agreement(self.suspect, sample) is not None
            if known and max(found + SLACK_DB - guess.limit_db, sound - self.suspect.limit_db) < 0:
                return False
        return True

    def _worst(self, guess: Guess, samples: Sequence[Sample]) -> float:
        found = [s for sample in samples if (s := guess.agreement(self.suspect, sample)) is not None]
        return min(found, default=-inf)

    def _same(self, one: Guess, other: Guess) -> bool:
        answers = [(one(sample), other(sample)) for sample in self._samples]
        return all(a is not None and b is not None and agreement(a, b) >= EXACT_DB for a, b in answers)


def _with_equals(best: _Scored, equals: Sequence[_Scored]) -> _Scored:
    """Return a guess that says that others are the same on these inputs."""
    names = {each.guess.names: each.guess for each in equals}
    if not names:
        return best
    words = " or, which is the same here, ".join((best.guess.saying, *(each.saying for each in names.values())))
    every = tuple(dict.fromkeys((*best.guess.names, *(name for each in names for name in each))))
    return _Scored(Guess(best.guess.topic, every, words, best.guess.answer, best.guess.limit_db), best.snr_db)
