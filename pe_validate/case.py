"""Every case that can be validated, and how cases are named: ``PE-Core-S16-384/pte/fp32``.

A :class:`Case` is model × target × precision. The registries of models and targets decide which cases exist, including
those that other distributions register.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.models.base import Model
from pe_validate.models.registry import models, own_models
from pe_validate.system.errors import UsageError
from pe_validate.system.suggest import did_you_mean
from pe_validate.targets.registry import targets

if TYPE_CHECKING:
    MATRIX: tuple[Case, ...]

__all__ = ["MATRIX", "RECOMMENDED", "Case", "default_cases", "matrix", "select"]

RECOMMENDED: Final = "PE-Core-S16-384"
"""The model that is validated or timed when no case is named."""


def matrix() -> tuple[Case, ...]:
    """Return every case, in the order in which cases are listed and run."""
    return _matrix(tuple(models().values()))


@cache
def _matrix(chosen: tuple[Model, ...]) -> tuple[Case, ...]:
    cases: list[Case] = []
    for model in chosen:
        every = [
            (target.name, precision)
            for target in targets().values()
            if target.any_length or not model.lengths
            for precision in target.precisions
        ]
        for wanted in model.kinds:
            if not any(_is_kind(wanted, *kind) for kind in every):
                kinds = ", ".join("/".join(kind) for kind in every)
                kinds += ", the targets for axes of any length" * bool(model.lengths)
                raise UsageError(f"{model.name} is to be validated as '{wanted}', which is none of {kinds}.")
        cases += [
            Case(model.name, *kind)
            for kind in every
            if not model.kinds or any(_is_kind(wanted, *kind) for wanted in model.kinds)
        ]
    return tuple(cases)


def _is_kind(wanted: str, target: str, precision: str) -> bool:
    return wanted in (target, f"{target}/{precision}")


def default_cases(*, on_phones: bool = False) -> tuple[Case, ...]:
    """Return the cases that are validated by default: one's own models, else the recommended one.

    Models that do not say as what they are validated are in every recommended precision. ``on_phones`` leaves out
    targets that no phone can run.
    """
    every, chosen = models(), own_models() or (RECOMMENDED,)
    return tuple(
        case
        for case in matrix()
        if case.model in chosen
        and (every[case.model].kinds or case.precision in targets()[case.target].recommended)
        and (targets()[case.target].on_phones or not on_phones)
    )


def select(patterns: Sequence[str]) -> tuple[Case, ...]:
    """Return the cases that match any of ``patterns``, in matrix order.

    A pattern is the beginning of a case's name (``PE-Core-T16-384/pte``, ``PE-Spatial``) and may contain shell
    wildcards (``*/onnx``). A complete case, a complete model and target, or a complete model matches exactly:
    ``PE-Core-T16-384/pte/int8`` does not match ``PE-Core-T16-384/pte/int8-static``, ``*/pte`` does not match
    ``*/pte-coreml``, and ``PE-Core-T16-384`` does not match ``PE-Core-T16-384-text``.

    Raises:
        UsageError: a pattern matches nothing.
    """
    cases = matrix()
    chosen: set[Case] = set()
    for pattern in patterns:
        found = _matching(pattern, cases)
        if not found:
            raise UsageError(
                f"No case matches '{pattern}': write MODEL/TARGET/PRECISION or the beginning of it, with "
                f"MODEL one of {', '.join(models())} and TARGET one of {', '.join(targets())}; "
                f"'pe-validate list' prints every case.{did_you_mean(pattern, _beginnings(cases))}"
            )
        chosen.update(found)
    return tuple(case for case in cases if case in chosen)


def _beginnings(cases: tuple[Case, ...]) -> list[str]:
    """Return models, models with targets, and cases, by name."""
    return [*models(), *(f"{case.model}/{case.target}" for case in cases), *map(str, cases)]


def _matching(pattern: str, cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """Return the cases whose whole name, model and target, or model the pattern is; else those that it begins."""
    names: tuple[Callable[[Case], str], ...] = (
        str,
        lambda case: f"{case.model}/{case.target}",
        lambda case: case.model,
    )
    for name in names:
        if found := tuple(case for case in cases if fnmatchcase(name(case), pattern)):
            return found
    return tuple(case for case in cases if pattern and fnmatchcase(str(case), f"{pattern}*"))


def __getattr__(name: str) -> object:
    if name == "MATRIX":
        return matrix()
    raise AttributeError(f"module 'pe_validate.case' has no attribute '{name}'")
