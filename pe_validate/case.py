"""A case is what is validated: one model, on one target, in one precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from pe_validate.models.perception_encoder.vision.config import MODELS, ModelConfig
from pe_validate.system.errors import UsageError

PRECISIONS: Final[dict[str, tuple[str, ...]]] = {
    "onnx": ("fp32",),
    "pte": ("fp32", "fp16", "int8", "int8-static", "int4"),
    "mlpackage": ("fp16", "fp32", "int8", "int8-palette", "int6-palette", "int4"),
    "pte-coreml": ("fp16", "fp32"),
}
"""Targets, and the precisions each is exported in."""

SUFFIXES: Final[dict[str, str]] = {target: f".{target}" for target in PRECISIONS} | {"pte-coreml": ".coreml.pte"}
"""What the names of a target's files end in."""

CORE_ML: Final = frozenset({"mlpackage", "pte-coreml"})
"""Targets that Core ML computes."""

ON_PHONES: Final = frozenset({"pte", "mlpackage", "pte-coreml"})
"""Targets that an iPhone computes."""

RECOMMENDED: Final = "PE-Core-S16-384"
"""The model that is validated or timed when nothing is named."""

DEFAULT: Final = tuple(
    f"{RECOMMENDED}/{kind}"
    for kind in ("onnx", "pte/fp32", "pte/int8", "mlpackage/fp16", "mlpackage/fp32", "pte-coreml/fp16")
)
"""What ``pe-validate run`` validates when nothing is named: it on every target, as a phone would have it."""


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """Printed and parsed as ``PE-Core-S16-384/pte/fp32``."""

    model: str
    target: str
    precision: str

    def __str__(self) -> str:
        return f"{self.model}/{self.target}/{self.precision}"

    @property
    def config(self) -> ModelConfig:
        """Hyper-parameters of the model."""
        return MODELS[self.model]

    @property
    def file_name(self) -> str:
        """``PE-Core-S16-384-fp32.pte``: unique in the matrix, and its suffix is the target's own."""
        return f"{self.model}-{self.precision}{SUFFIXES[self.target]}"


MATRIX: Final[tuple[Case, ...]] = tuple(
    Case(model, target, precision)
    for model in MODELS
    for target, precisions in PRECISIONS.items()
    for precision in precisions
)
"""Every case, in the order in which it is listed and run."""

_NAMES: Final = [
    frozenset(map(str, MATRIX)),
    frozenset(f"{case.model}/{case.target}" for case in MATRIX),
]


def select(patterns: Sequence[str]) -> tuple[Case, ...]:
    """Cases that are named in ``patterns`` or whose name starts with one of them, in matrix order.

    ``PE-Core-T16-384/pte`` and ``PE-Spatial`` are patterns, and so, with shell wildcards, is ``*/onnx``. The whole
    name of a case or of a model's target stands for it alone: ``PE-Core-T16-384/pte/int8`` is not
    ``PE-Core-T16-384/pte/int8-static``, and ``*/pte`` is not ``*/pte-coreml``.

    Raises:
        UsageError: a pattern matches nothing.
    """
    for pattern in patterns:
        if not any(_matches(pattern, case) for case in MATRIX):
            raise UsageError(
                f"No case matches '{pattern}': write MODEL/TARGET/PRECISION or the beginning of it, with "
                f"MODEL one of {', '.join(MODELS)} and TARGET one of {', '.join(PRECISIONS)}; "
                "'pe-validate list' prints every case."
            )
    return tuple(case for case in MATRIX if any(_matches(pattern, case) for pattern in patterns))


def _matches(pattern: str, case: Case) -> bool:
    for names, name in zip(_NAMES, (str(case), f"{case.model}/{case.target}"), strict=True):
        if any(fnmatchcase(whole, pattern) for whole in names):
            return fnmatchcase(name, pattern)
    return bool(pattern) and fnmatchcase(str(case), f"{pattern}*")


def model_config(name: str) -> ModelConfig:
    """Hyper-parameters of a published model.

    Raises:
        UsageError: there is no such model.
    """
    if name not in MODELS:
        raise UsageError(f"Unknown model '{name}': choose one of {', '.join(MODELS)}.")
    return MODELS[name]
