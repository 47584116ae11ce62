"""Say why ExecuTorch refuses a program: what a whole one needs from outside of it, or that the file is damaged."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pe_validate.system.errors import RunError
from pe_validate.targets.programs import XNNPACK_BACKEND

if TYPE_CHECKING:
    from executorch.exir.schema import ExecutionPlan, Program

    from pe_validate.targets.xnnpack.reader import PTEFile

METHOD: Final = "forward"

_UNREADABLE: Final = (ValueError, AssertionError, LookupError, TypeError, RuntimeError, struct.error)
"""What ExecuTorch's reader raises for a file that is no whole program."""


def forward_of(program: Program) -> ExecutionPlan:
    """Return the method ``forward``.

    Raises:
        RunError: there is none.
    """
    for plan in program.execution_plan:
        if plan.name == METHOD:
            return plan
    others = ", ".join(f"'{plan.name}'" for plan in program.execution_plan) or "none"
    raise RunError(f"The program has no method '{METHOD}', which is the one that is judged; it has {others}.")


def data_beside(path: Path) -> Path | None:
    """Return the file with a program's constants: that of its name, or the only one in its folder."""
    found = sorted(path.parent.glob("*.ptd"))
    own = path.with_suffix(".ptd")
    return own if own in found else found[0] if len(found) == 1 else None


def why_refused(path: Path, reason: str) -> str:
    """Return why a program was refused with ``reason``, as the end of a sentence that begins with the file's name."""
    from pe_validate.targets.xnnpack.reader import deserialize_pte_binary

    try:
        file = deserialize_pte_binary(path.read_bytes())
        plan = forward_of(file.program)
        needs = _backend(plan) or _kernels(plan) or _constants(path, file, plan)
    except RunError as error:
        return str(error).rstrip(".")
    except _UNREADABLE:
        return f"it is truncated or not a program: {reason}"
    return f"the file is whole, but {needs or f'not accepted, as one of another version or a faulty one: {reason}'}"


def _backend(plan: ExecutionPlan) -> str | None:
    """Name the delegates' backends that this runtime does not have."""
    from pe_validate.targets.xnnpack.bindings import executorch

    present = executorch._get_registered_backend_names()
    absent = sorted({delegate.id for delegate in plan.delegates} - set(present))
    if not absent:
        return None
    return (
        f"it delegates to {', '.join(absent)}, which the runtime here does not have (it has {', '.join(present)}): "
        "run it on the device that has it, or export it for one of these"
    )


def _kernels(plan: ExecutionPlan) -> str | None:
    """Name the operators for which this runtime has no kernel."""
    from pe_validate.targets.xnnpack.bindings import executorch

    wanted = {f"{op.name}.{op.overload}" if op.overload else op.name for op in plan.operators}
    absent = sorted(wanted - set(executorch._get_operator_names()))
    if not absent:
        return None
    return (
        f"the runtime here has no kernel for {', '.join(absent)}: run it where there is one, or export it so that the "
        "delegate takes that operator"
    )


def _constants(path: Path, file: PTEFile, plan: ExecutionPlan) -> str | None:
    """Say which constants are in a file of their own, which is not there."""
    own = set(file.named_data.pte_data) if file.named_data else set()
    absent = [name for name in _names(file, plan) if name not in own]
    if not absent:
        return None
    named = f"{len(absent)} of its constants (such as '{absent[0]}') are in a .ptd file"
    if found := data_beside(path):
        return f"{named}, and '{found.name}' does not hold them: put theirs there, named as the program"
    return f"{named}, and none, or more than one of another name, is beside it: put it there, named as the program"


def _names(file: PTEFile, plan: ExecutionPlan) -> Iterator[str]:
    """Yield the names under which the program and its delegates look up constants outside of the program."""
    from pe_validate.targets.xnnpack.delegation import graph_of
    from pe_validate.targets.xnnpack.reader import schema

    for value in plan.values:
        extra = value.val.extra_tensor_info if isinstance(value.val, schema.Tensor) else None
        if extra and extra.location == schema.TensorDataLocation.EXTERNAL and extra.fully_qualified_name:
            yield extra.fully_qualified_name
    for delegate in plan.delegates:
        if delegate.id == XNNPACK_BACKEND:
            graph: dict[str, Any] = graph_of(file.program.backend_delegate_data[delegate.processed.index].data)
            yield from (entry["named_key"] for entry in graph.get("constant_data", []) if entry.get("named_key"))
