"""Every target, by name: this project's, and those that other distributions register."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from pe_validate.data.case import Case
from pe_validate.data.recipe import Recipe
from pe_validate.system.errors import UsageError
from pe_validate.system.registry import registered
from pe_validate.targets.base import Target
from pe_validate.targets.coreai import COREAI
from pe_validate.targets.coreml import COREML
from pe_validate.targets.onnx import ONNX
from pe_validate.targets.pt2 import PT2
from pe_validate.targets.pte_coreml import PTE_COREML
from pe_validate.targets.xnnpack import XNNPACK

GROUP: Final = "pe_validate.targets"
"""The entry-point group of targets."""


@cache
def targets() -> Mapping[str, Target]:
    """Return every target, in the order of the matrix.

    Raises:
        UsageError: a target of another distribution cannot be loaded.
    """
    built_in = (ONNX, XNNPACK, COREML, PTE_COREML, PT2, COREAI)
    return registered(GROUP, Target, built_in)  # type: ignore[type-abstract]  # only instances are taken


def target_named(name: str) -> Target:
    """Return the target of this name.

    Raises:
        UsageError: there is no such target.
    """
    if name not in targets():
        raise UsageError(f"There is no target '{name}': choose one of {', '.join(targets())}.")
    return targets()[name]


def target_of(case: Case) -> Target:
    """Return the target of a case."""
    return target_named(case.target)


def recipe(case: Case) -> Recipe:
    """Return the recipe by which a case is lowered.

    Raises:
        UsageError: there is no such target, or it has no such precision.
    """
    precisions = target_of(case).precisions
    if case.precision not in precisions:
        raise UsageError(f"'{case.target}' has no precision '{case.precision}': choose one of {', '.join(precisions)}.")
    return precisions[case.precision]


def file_name(case: Case) -> str:
    """Return the file name of a case's artifact."""
    return target_of(case).file_name(case)
