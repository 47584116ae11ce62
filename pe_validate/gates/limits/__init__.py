"""Tables of limits; each row has its reason, and the worst value measured for correct conversions.

``targets.toml`` has rows by target, precision and gate, ``machines.toml`` by machine, precision and gate, and
``forms.toml`` by form and gate. Rows refer to reasons in ``reasons.toml``. A target of another distribution brings its
own table (:attr:`~pe_validate.targets.base.Target.limits`), which may contain a table ``reasons``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from pe_validate.data.case import Case
from pe_validate.data.limits import AccuracyTolerance, AgreementTolerance, Tolerance
from pe_validate.data.schema import schema
from pe_validate.models.registry import model_named
from pe_validate.targets.registry import recipe, target_of

HERE: Final = Path(__file__).parent
TARGETS: Final = HERE / "targets.toml"
MACHINES: Final = HERE / "machines.toml"
FORMS: Final = HERE / "forms.toml"
REASONS: Final = HERE / "reasons.toml"

MODEL_ITSELF: Final = "itself"
"""The name in ``forms.toml`` of the model itself, without a rewrite."""

Row = TypeVar("Row", Tolerance, AgreementTolerance, AccuracyTolerance)

Table = dict[str, Any]


def read_table(path: Path) -> Table:
    """Return the rows of a table of limits, with the names of reasons replaced by their text.

    Raises:
        KeyError: a row names a reason that does not exist.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    reasons = tomllib.loads(REASONS.read_text(encoding="utf-8")) | table.pop("reasons", {})

    def spelled(part: Table) -> Table:
        if isinstance(reason := part.get("reason"), str):
            if reason not in reasons:
                raise KeyError(f"'{path.name}' names a reason '{reason}', which is not written anywhere.")
            return part | {"reason": reasons[reason]}
        return {name: spelled(rows) for name, rows in part.items()}

    return spelled(table)


_cached_table = cache(read_table)


def row_of(case: Case, gate: str, kind: type[Row], where: Sequence[str] = ()) -> Row | None:
    """Return the row for a case and a gate, or None if there is none.

    It comes from the case's model if that has limits of its own, else from the first machine in ``where`` that has rows
    for the precision, else from the case's target.
    """
    own = model_named(case.model).limit(f"{case.target}/{case.precision}", gate)
    if own is not None and isinstance(own, kind):
        return own
    machines = _cached_table(MACHINES)
    found = next((machines[name] for name in where if case.precision in machines.get(name, {})), None)
    if found is None:
        found = _cached_table(target_of(case).limits or TARGETS).get(case.target, {})
    return _parsed(found.get(case.precision, {}).get(gate), kind)


def form_row(form: str, gate: str) -> Tolerance | None:
    """Return the row for a form of the model and a gate, or None if there is none."""
    return _parsed(_cached_table(FORMS).get(form, {}).get(gate), Tolerance)


def case_form_row(case: Case, gate: str) -> Tolerance | None:
    """Return the row for the form of a case and a gate; the table of the case's target takes precedence."""
    own = target_of(case).limits
    form = recipe(case).form
    return (own and _parsed(_cached_table(own).get(form, {}).get(gate), Tolerance)) or form_row(form, gate)


def _parsed(row: Table | None, kind: type[Row]) -> Row | None:
    return None if row is None else schema(kind).validate_python(row)
