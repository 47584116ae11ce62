"""What the accelerator took: delegate calls and left-over operators, read from a finished ``.pte``."""

from __future__ import annotations

from pathlib import Path

from pe_validate.errors import RunError
from pe_validate.export.artifact import Delegation
from pe_validate.process import Child, ChildError

READ_TIMEOUT = 120.0
"""Seconds; importing ExecuTorch's program reader takes most of it on a cold machine."""


def delegation(path: Path) -> Delegation:
    """Count the delegate calls of ``forward`` and name the operators that stayed outside.

    Raises:
        Exception: the file is not a readable program; run it in a child and name the stage there.
    """
    from executorch.exir._serialize._program import deserialize_pte_binary
    from executorch.exir.schema import DelegateCall, KernelCall

    program = deserialize_pte_binary(path.read_bytes()).program
    plan = next(plan for plan in program.execution_plan if plan.name == "forward")
    calls = [instruction.instr_args for chain in plan.chains for instruction in chain.instructions]
    operators = [plan.operators[call.op_index] for call in calls if isinstance(call, KernelCall)]
    return Delegation(
        delegate_calls=sum(isinstance(call, DelegateCall) for call in calls),
        left_over=tuple(f"{op.name}.{op.overload}" if op.overload else op.name for op in operators),
    )


def isolated_delegation(path: Path) -> Delegation:
    """:func:`delegation` of a file that someone else made.

    Raises:
        RunError: the file is not a readable program.
    """
    with Child() as child:
        try:
            return child.call(delegation, READ_TIMEOUT, path)
        except ChildError as error:
            raise RunError(f"The delegates of '{path}' cannot be read: {error}.") from error
