"""kernels: a program runs on the kernels that its core has for its types, and not on more general ones."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.execution import Execution
from pe_validate.data.machine import KleidiKernel, Machine
from pe_validate.data.structure import Delegation
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide
from pe_validate.targets.registry import target_of

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence

SHARE: Final = 0.99
"""Least fraction of a precision's products; a single row of activations has a kernel of its own."""


class KernelsGate(Gate):
    """Checks which kernels ran on an emulated core."""

    name = "kernels"

    def required(self, subject: Subject) -> bool:
        """Require it where an emulator reports what ran."""
        return subject.machine.emulated

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare the kernels that ran with those that the core has."""
        found, delegation = evidence.execution, evidence.structure.delegation
        return judge_kernels(evidence.case, evidence.machine, delegation, found) if found and delegation else None


def judge_kernels(case: Case, machine: Machine, delegation: Delegation, found: Execution) -> Verdict:
    """Judge the kernels that a program ran; the machine says which one it has for the operands of the precision."""
    operands = target_of(case).operands[case.precision]
    kernel = machine.kernels[operands]
    if isinstance(kernel, KleidiKernel):
        wanted = re.compile(f"kai_run_matmul_clamp_{kernel.pattern}")
        asked = sum(count for key, count in delegation.products.items() if key.split(" ", 1)[1] == operands)
        did = Counter({name: n for name, n in found.products.items() if wanted.fullmatch(name)})
        share = min(1.0, did.total() / asked) if asked else 0.0
        passes, what = share >= SHARE, f"KleidiAI's '{wanted.pattern}' for {SHARE:.0%} of its {case.precision} products"
        ran = f"{share:.1%} of its {case.precision} products ran in {did.most_common(1)[0][0]}" if did else ""
    else:
        rivals = tuple(f"({instruction})" for instruction in kernel.rivals)
        most = next((name for name in found.shares if name.endswith(rivals)), "")
        share, what = found.shares.get(most, 0.0), f"a kernel of XNNPACK that multiplies by {kernel.instruction}"
        passes = most.endswith(f"({kernel.instruction})") and share >= kernel.least
        ran = f"{share:.0%} of its instructions ran in {most}"
    finding = f"{ran}." if passes else f"{what} is wanted; what ran is {describe_kernels(found)}."
    return decide(case, KERNELS.name, passes, finding, producer=found.producer, where=f" on {machine.name}")


def describe_kernels(found: Execution) -> str:
    """Describe KleidiAI's kernels by their products, and the functions that took most instructions by their share."""
    ran = [f"{name} ({count:,} products)" for name, count in found.products.items()]
    ran += [f"{name} ({share:.0%} of the instructions)" for name, share in list(found.shares.items())[:4]]
    return ", ".join(ran) or "no kernel of KleidiAI"


KERNELS: Final = KernelsGate()
