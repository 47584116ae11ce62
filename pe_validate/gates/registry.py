"""Every gate, in the order in which gates run and are reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.limits import Tolerance
from pe_validate.data.verdict import Verdict
from pe_validate.gates.accuracy import ACCURACY
from pe_validate.gates.arithmetic import ARITHMETIC
from pe_validate.gates.backends import BACKENDS
from pe_validate.gates.base import Column, Gate, Subject
from pe_validate.gates.batch import BATCH
from pe_validate.gates.compression import COMPRESSION
from pe_validate.gates.cost import COST
from pe_validate.gates.delegation import DELEGATION
from pe_validate.gates.determinism import DETERMINISM
from pe_validate.gates.extremes import EXTREMES
from pe_validate.gates.fidelity import FIDELITY
from pe_validate.gates.gelu import GELU
from pe_validate.gates.identity import IDENTITY
from pe_validate.gates.interface import INTERFACE
from pe_validate.gates.kernels import KERNELS
from pe_validate.gates.loss import LOSS
from pe_validate.gates.numbers import NumbersGate
from pe_validate.gates.parity import PARITY
from pe_validate.gates.precision import PRECISION
from pe_validate.gates.products import PRODUCTS
from pe_validate.gates.retrieval import RETRIEVAL
from pe_validate.gates.rewrite import REWRITE
from pe_validate.gates.weights import WEIGHTS

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence

GATES: Final[tuple[Gate, ...]] = (
    PRECISION,
    REWRITE,
    GELU,
    PARITY,
    FIDELITY,
    IDENTITY,
    LOSS,
    INTERFACE,
    EXTREMES,
    DETERMINISM,
    BATCH,
    RETRIEVAL,
    ACCURACY,
    DELEGATION,
    ARITHMETIC,
    WEIGHTS,
    COMPRESSION,
    KERNELS,
    COST,
    PRODUCTS,
    BACKENDS,
)

BY_NAME: Final = {gate.name: gate for gate in GATES}


def required(subject: Subject) -> tuple[str, ...]:
    """Return the names of the gates that ``subject`` must pass."""
    return tuple(gate.name for gate in _wanted(subject))


def _wanted(subject: Subject) -> list[Gate]:
    """Return the required gates; without limits, which belong to a precision, the others have nothing to judge by."""
    return [gate for gate in GATES if gate.required(subject) and (gate is PRECISION or not subject.unlisted)]


def judge(evidence: Evidence) -> tuple[tuple[str, ...], tuple[Verdict, ...]]:
    """Run every required or optional gate; return the names of the required ones, and all verdicts.

    Raises:
        RunError: the artifact cannot be loaded or executed.
    """
    wanted = _wanted(evidence.subject)
    asked = [gate for gate in GATES if gate in wanted or gate.optional]
    verdicts = tuple(verdict for gate in asked if (verdict := gate.judge(evidence)))
    return tuple(gate.name for gate in wanted if not gate.excused(evidence)), verdicts


def tolerance(case: Case, gate: str, where: Sequence[str] = ()) -> Tolerance:
    """Return the row of limits for a case and a gate that compares numbers.

    It comes from the first machine in ``where`` that has one, else from the case's target.

    Raises:
        KeyError: there is no such row, which is a mistake in the table, or the gate compares no numbers.
    """
    found = BY_NAME[gate]
    if not isinstance(found, NumbersGate):
        raise KeyError(f"{gate} compares no numbers")
    return found.tolerance(case, where)


def columns() -> tuple[tuple[str, Column], ...]:
    """Return the columns that gates add to the table of costs, each with the name of its gate."""
    return tuple((gate.name, column) for gate in GATES for column in gate.columns)
