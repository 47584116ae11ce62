"""Guesses at what an artifact is: the model with one or two mistakes, and what it then answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial, reduce
from itertools import chain, combinations
from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.compare import compare
from pe_validate.explain.on_input import OnInput, on_input
from pe_validate.explain.on_output import ON_OUTPUT, OnOutput
from pe_validate.explain.suspect import Array, Ask, Suspect, asking, of_output
from pe_validate.inputs.images import Sample
from pe_validate.models.mistake import Mistake, NoSuchPartError
from pe_validate.system.errors import ExportError

ROUNDING_DB: Final = 5.0
"""What 4-bit weights leave of the agreement, at the least."""

ON_TOP: Final = "output"
"""The topic of mistakes with the output."""

FEW_VALUES: Final = 2**14
"""Outputs of at most so many values are kept for the next case of the same model."""

SUPERPOSED: Final = 40
"""The number of pairs that are tried because their effects add up to about the error."""

Answer = Callable[[Sample], Array | None]
Known = dict[str, NDArray[np.float32] | None]


@dataclass
class Guess:
    """An alteration of the model; ``answer`` returns what it answers to an input, None where it cannot say.

    ``names`` are the mistakes that it consists of, and ``limit_db`` is the agreement that a sound artifact has.
    """

    topic: str
    names: tuple[str, ...]
    saying: str
    answer: Answer
    limit_db: float
    change: OnInput | None = None
    mistake: Mistake | None = None
    float32: bool = False
    """True if it alters the float32 model, which is then an explanation itself."""
    known: Known = field(default_factory=dict, repr=False)
    """Its answers so far, by input."""

    def __call__(self, sample: Sample) -> Array | None:
        """Return the answer, computed once; kept as float32, since there are hundreds."""
        if self.topic == ON_TOP:  # no more than arithmetic
            return self.answer(sample)
        if sample.name not in self.known:
            answer = self.answer(sample)
            self.known[sample.name] = None if answer is None else answer.astype(np.float32)
        known = self.known[sample.name]
        return None if known is None else _double(known)

    def agreement(self, suspect: Suspect, sample: Sample) -> float | None:
        """Return its agreement with the artifact in dB, -∞ if their shapes differ; None where it cannot say."""
        answer, found = self(sample), suspect.found[sample.name]
        return None if answer is None else agreement(answer, _double(found))

    def likeness(self, suspect: Suspect, sample: Sample) -> float:
        """Return its agreement with the artifact in dB if both outputs are scaled to length 1."""
        answer, found = self(sample), _double(suspect.found[sample.name])
        if answer is None or answer.shape != found.shape:
            return -inf
        lengths = np.linalg.norm(answer), np.linalg.norm(found)
        return agreement(answer / lengths[0], found / lengths[1]) if all(lengths) else -inf


def agreement(one: Array, other: Array) -> float:
    """Return the SNR of ``other`` in dB, -∞ if the two have other shapes or a value that is not finite."""
    return compare(one, other).snr_db if one.shape == other.shape and one.size else -inf


def as_it_should_be(suspect: Suspect) -> Guess:
    """Return the guess that there is no mistake."""
    return Guess("", (), "", lambda sample: _double(suspect.expected[sample.name]), suspect.limit_db)


def unaltered(suspect: Suspect) -> Guess:
    """Return the guess that it is the float32 model, without the rounding that it should have."""
    return Guess("", (), "", lambda sample: _double(suspect.trained[sample.name]), suspect.noise_db)


def outside(suspect: Suspect) -> Iterator[Guess]:
    """Yield every guess of one mistake that leaves the model as it is: with its outputs, then with its inputs."""
    yield from with_outputs(as_it_should_be(suspect), suspect)
    yield from _among_answers(suspect)
    yield from _inputs_exchanged(suspect)
    for change in on_input(suspect.reference.model, suspect.reference.photographs):
        yield _fed(suspect, change)


def inside(suspect: Suspect) -> Iterator[Guess]:
    """Yield every guess of one mistake in the model itself."""
    for mistake in _mistakes(suspect):
        if mistake.may_begin_in(suspect.place):
            yield from altered(suspect, mistake)
    yield from _labelled(suspect)


def _labelled(suspect: Suspect) -> Iterator[Guess]:
    """Yield guesses that it is of another precision, unless the error is more than rounding could cost."""
    first = suspect.samples[0]
    if agreement(_double(suspect.expected[first.name]), _double(suspect.found[first.name])) < ROUNDING_DB:
        return
    for name, label in suspect.labels.items():
        try:
            other = label()
        except ExportError:  # the model cannot be had in that precision
            continue
        words = f"in {name}, under the name {suspect.case.precision}"
        yield Guess("label", (f"label {name}",), words, partial(_of_sample, other.ask), other.limit_db)


def _of_sample(ask: Ask, sample: Sample) -> Array:
    return ask(*sample.values)


def _mistakes(suspect: Suspect) -> Iterator[Mistake]:
    import torch

    from pe_validate.explain import on_model

    module, given = suspect.reference.module, tuple(map(torch.from_numpy, suspect.samples[0].values))
    gelus, norms = (on_model.calls(module, operator, given) for operator in (on_model.GELU, on_model.LAYER_NORM))
    variants: Counter[tuple[str, str]] = Counter()
    for mistake in chain(
        on_model.operators_exchanged(gelus, norms),
        on_model.weights_rounded(),
        suspect.reference.model.mistakes(),
        on_model.one_activation(gelus),
    ):
        yield replace(mistake, variant=variants[mistake.name, mistake.saying])
        variants[mistake.name, mistake.saying] += 1


def with_outputs(guess: Guess, suspect: Suspect) -> Iterator[Guess]:
    """Yield a guess with each mistake with the output on top, fitted on the first input."""
    first = suspect.samples[0]
    answer, found = guess(first), _double(suspect.found[first.name])
    if answer is None or not (np.isfinite(answer).all() and np.isfinite(found).all()):
        return
    for mistake in ON_OUTPUT:
        if fitted := mistake.fit(answer, found):
            yield _on_top(guess, mistake, *fitted)


def _on_top(guess: Guess, mistake: OnOutput, saying: str, change: Callable[[Array], Array]) -> Guess:
    def answer(sample: Sample) -> Array | None:
        below = guess(sample)
        return None if below is None else change(below)

    words = f"{guess.saying} and {saying}" if guess.saying else saying
    return Guess(ON_TOP, (*guess.names, mistake.name), words, answer, guess.limit_db, float32=guess.float32)


def with_tensors_of_the_file(suspect: Suspect) -> Iterator[Guess]:
    """Yield the guess that the file stores other tensors than it should, if it does."""
    from pe_validate.explain.on_tensors import with_stored

    for form in suspect.forms():
        if (found := with_stored(form.module, form.stored)) is None:
            continue
        ask = asking(found.module, form.dtype, suspect.output)
        yield Guess("tensors", found.names, found.saying, partial(_of_sample, ask), suspect.limit_db)


def _among_answers(suspect: Suspect) -> Iterator[Guess]:
    """Yield guesses that an answer belongs to another input."""
    names = [sample.name for sample in suspect.reference.inputs if sample.name in suspect.found]
    before = dict(zip(names[1:], names, strict=False))

    def late(sample: Sample) -> Array | None:
        return _double(suspect.expected[before[sample.name]]) if sample.name in before else None

    def constant(sample: Sample) -> Array | None:
        return _double(suspect.found[before[sample.name]]) if sample.name in before else None

    yield Guess("answers", ("one call late",), "one call late", late, suspect.limit_db)
    yield Guess("answers", ("constant",), "with one answer to every input", constant, 100.0)
    for place, spec in enumerate(suspect.reference.model.outputs):
        if place != suspect.output:
            other = of_output(suspect.reference, suspect.reference.trained, place)
            words = f"with its output '{spec.name}' in the place of another"
            yield Guess("answers", ("outputs exchanged",), words, partial(_among, other), suspect.noise_db)


def _among(answers: Mapping[str, NDArray[np.float32]], sample: Sample) -> Array:
    return _double(answers[sample.name])


def _inputs_exchanged(suspect: Suspect) -> Iterator[Guess]:
    """Yield guesses that two inputs of the same shape and type were taken for one another."""
    inputs = suspect.reference.model.inputs
    for one, other in combinations(range(len(inputs)), 2):
        if (inputs[one].shape, inputs[one].dtype) != (inputs[other].shape, inputs[other].dtype):
            continue
        order = list(range(len(inputs)))
        order[one], order[other] = other, one
        words = f"fed with '{inputs[one].name}' and '{inputs[other].name}' exchanged"
        yield Guess("input", ("inputs exchanged",), words, partial(_reordered, suspect, order), suspect.limit_db)


def _reordered(suspect: Suspect, order: Sequence[int], sample: Sample) -> Array | None:
    try:
        return suspect.graph(*(sample.values[place] for place in order))
    except (RuntimeError, IndexError):  # PyTorch's: tokens out of range
        return None


def _fed(suspect: Suspect, change: OnInput) -> Guess:
    def answer(sample: Sample) -> Array | None:
        image = change.change(sample)
        try:
            return None if image is None else suspect.graph(image)
        except RuntimeError:  # PyTorch's: the model need not run on it
            return None

    # What is done to the input may have been folded into weights before they were rounded.
    limit = min(suspect.limit_db, suspect.noise_db)
    return Guess("input", (change.name,), change.saying, answer, limit, change=change)


def altered(suspect: Suspect, *mistakes: Mistake, change: OnInput | None = None) -> Iterator[Guess]:
    """Yield the guesses that the model has these mistakes: in float32, and with the artifact's rounding added.

    A small mistake would drown in the rounding of the artifact. What it changes in float32 is therefore added to what
    the sound graph answers, with the same rounding.
    """
    module = suspect.reference.module

    @cache
    def ask() -> Ask:
        try:
            return asking(reduce(_alter, mistakes, module), output=suspect.output)
        except NoSuchPartError:
            return asking(reduce(_alter, mistakes[::-1], module), output=suspect.output)

    def exact(sample: Sample) -> Array | None:
        image = change.change(sample) if change else None
        try:
            return None if change and image is None else ask()(*(sample.values if image is None else (image,)))
        except (NoSuchPartError, RuntimeError, AttributeError):  # an altered model need not run
            return None

    names = tuple(each.name for each in (change, *mistakes) if each)
    saying = " and ".join(each.saying for each in (change, *mistakes) if each)
    topic = mistakes[-1].topic
    mistake = mistakes[0] if len(mistakes) == 1 else None
    known = _known(suspect, (names, saying, *(each.variant for each in mistakes), suspect.output))
    plain = Guess(topic, names, saying, exact, suspect.noise_db, change, mistake, float32=True, known=known)
    yield plain
    if suspect.graph_differs and change is None:

        def rounded(sample: Sample) -> Array | None:
            answer = plain(sample)
            trained = _double(suspect.trained[sample.name])
            if answer is None or answer.shape != trained.shape:
                return None
            return answer + (_double(suspect.expected[sample.name]) - trained)

        yield Guess(topic, names, saying, rounded, suspect.noise_db, None, mistake)


def _known(suspect: Suspect, key: object) -> Known:
    """Return where answers of the altered model are kept, for all artifacts that are held to it."""
    reference = suspect.reference
    shared = all(value.size <= FEW_VALUES for value in reference.trained.features.values())
    return reference.altered.setdefault(key, {}) if shared else {}


def _alter(module: Any, mistake: Mistake) -> Any:
    return mistake.alter(module)


def pairs(suspect: Suspect, guesses: Sequence[Guess], partners: Sequence[Guess]) -> Iterator[Guess]:
    """Yield the guesses that two mistakes hold together: any with one of the output, and ``partners`` with any."""
    for guess in guesses:
        yield from with_outputs(guess, suspect)
    others = [*guesses, *elsewhere(suspect)] if partners else guesses
    seen = set()
    for one in partners:
        for other in others:
            names = frozenset({*one.names, *other.names})
            if len(names) > 1 and names not in seen:
                seen.add(names)
                yield from _both(suspect, one, other)


def elsewhere(suspect: Suspect) -> Iterator[Guess]:
    """Yield the guesses of mistakes that cannot be the first one, because the artifact agrees where they begin."""
    for mistake in _mistakes(suspect):
        if not mistake.may_begin_in(suspect.place):
            yield from altered(suspect, mistake)


def superposed(suspect: Suspect, guesses: Iterable[Guess]) -> Iterator[Guess]:
    """Yield the pairs whose effects, added up, come nearest to the error, the nearest first.

    Two mistakes in a model do not just add up, but what they give together is nearer to their sum than to that of most
    others. ``guesses`` are asked for what they answer to the first input.
    """
    first = suspect.samples[0]
    base, found = (np.ravel(each[first.name]).astype(np.float64) for each in (suspect.trained, suspect.found))
    stride = -(-base.size // FEW_VALUES)
    answers = [(guess, answer) for guess in guesses if guess.float32 and (answer := guess(first)) is not None]
    usable = [(guess, np.ravel(answer)) for guess, answer in answers if answer.size == base.size == found.size]
    usable = [(guess, answer) for guess, answer in usable if np.isfinite(answer).all()]
    if len(usable) < 2 or not np.isfinite(found).all():
        return
    effects = np.stack([(answer - base)[::stride] for _, answer in usable])
    products = effects @ effects.T
    alone = np.diag(products) - 2 * effects @ (found - base)[::stride]
    left = alone[:, None] + alone[None, :] + 2 * products
    rows, columns = np.triu_indices(len(usable), 1)
    for number in np.argsort(left[rows, columns])[:SUPERPOSED]:
        one, other = (usable[places[number]][0] for places in (rows, columns))
        if one.names != other.names:
            yield from _both(suspect, one, other)


def _both(suspect: Suspect, one: Guess, other: Guess) -> Iterator[Guess]:
    if one.mistake and other.mistake:
        yield from altered(suspect, one.mistake, other.mistake)
    elif one.mistake and other.change:
        yield from altered(suspect, one.mistake, change=other.change)
    elif one.change and other.mistake:
        yield from altered(suspect, other.mistake, change=one.change)


def _double(value: NDArray[np.floating[Any]]) -> Array:
    return np.asarray(value, np.float64)
