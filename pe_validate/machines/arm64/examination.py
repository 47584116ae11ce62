"""A program on an iPhone-class core: is it still the model, which kernels computed it, and what did that cost?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.counts import Positive
from pe_validate.data.execution import Execution
from pe_validate.data.outputs import Outputs
from pe_validate.data.structure import Delegation
from pe_validate.data.verdict import Verdict
from pe_validate.gates.limits import Gate, tolerance
from pe_validate.gates.verdicts import ARITHMETIC, GateName, judge
from pe_validate.machines.arm64.kernels import OUTSIDE
from pe_validate.machines.arm64.profiles import Profile
from pe_validate.machines.arm64.runtime import Arm64Runtime, Guest
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import GoldenError, RunError
from pe_validate.system.files import plain_file, replace_file
from pe_validate.targets.open import run

_F32, _F16 = r"f32_f32(p2vlx1)?_f32p2vlx1b\w*_sme2_(mopa|mla)", r"f16_f16(p2vlx2)?_f16p2vlx2b?_\w+_sme2_(mopa|dot)"
_INT8, _STATIC = r"f32_qai8dxp\w+_qsi8cxp\w+", r"qai8_qai8\w*_qsi8cxp\w+"
_INT4 = r"f32_qai8dxp\w+_qsi4c32p\w+"

KERNELS: Final = {
    ("int8", "iphone-11"): rf"{_INT8}_16x4_neon_dotprod",
    ("int8", "iphone-14"): rf"{_INT8}_16x4_neon_i8mm",
    ("int8", "iphone-16"): rf"{_INT8}_sme2_(mopa|dot)",
    ("int4", "iphone-11"): rf"{_INT4}_16x4_neon_dotprod",
    ("int4", "iphone-14"): rf"{_INT4}_16x4x32_neon_i8mm",
    ("int4", "iphone-16"): rf"{_INT4}_16x4x32_neon_i8mm",
    ("fp32", "iphone-16"): _F32,
    ("fp16", "iphone-16"): _F16,
    ("int8-static", "iphone-16"): rf"{_STATIC}_sme2_(mopa|dot)",
}
"""KleidiAI's kernels, after ``kai_run_matmul_clamp_``, that must compute a precision on a profile.

Its SME kernels for 4-bit weights take a scale for each channel; these programs have one for each 32 weights.
"""

XNNPACK: Final = {
    ("fp32", "iphone-11"): "fmla .4s",
    ("fp32", "iphone-14"): "fmla .4s",
    ("fp16", "iphone-11"): "fmla .8h",
    ("fp16", "iphone-14"): "fmla .8h",
    ("int8-static", "iphone-11"): "sdot",
    ("int8-static", "iphone-14"): "smmla",
}
"""Where KleidiAI has no kernel: with which instruction XNNPACK's must multiply."""

RIVALS: Final = {
    "fp32": ("fmla .4s", "fmla .8h"),
    "fp16": ("fmla .8h", "fmla .4s"),
    "int8-static": ("smmla", "sdot", "smull", "smlal"),
}
"""Instructions by which a precision could be multiplied. Attention is float32 in int8-static, and not among them."""

LEAST: Final = {"fp32": 0.6, "fp16": 0.6, "int8-static": 0.1}
"""Of all instructions, what such a kernel takes at least; it is 77 % and more in floats, a quarter of T16 in int8."""

ARM64: Final = "arm64"
"""Rows of the table of limits, but for a profile's own: Arm's kernels round otherwise than those of x86-64."""

SHARE: Final = 0.99
"""Least share of the products of a precision; a single row of activations has a kernel of its own."""

SLOWER: Final = 0.03
"""Of the stored cost, how much more a program may take."""


def required(case: Case, profile: Profile, costs: Mapping[str, Mapping[str, int]]) -> tuple[GateName, ...]:
    """Gates without which a program has not passed on an emulated ``profile``."""
    stored = str(case) in costs.get(profile.name, {})
    return ("parity", "fidelity", "loss", "kernels", *((_gate(profile.counts),) if stored else ()))


def _gate(counted: bool) -> Literal["cost", "products"]:
    return "cost" if counted else "products"


def answers_here(artifact: Artifact, model: Reference) -> Outputs | None:
    """What ``artifact`` answers on this machine's own CPU; None if that does not take float16.

    Raises:
        RunError: the program cannot be loaded or executed.
    """
    try:
        here = IsolatedRuntime(artifact.path, artifact.case.target, "declared")
    except RunError:
        if artifact.case.precision == "fp16":  # XNNPACK refuses what the CPU lacks when it loads a program
            return None
        raise
    with here:
        return run(here, model.inputs)


def examine(
    artifact: Artifact, model: Reference, here: Outputs | None, machine: Guest, expected: int | None = None
) -> tuple[Execution, tuple[Verdict, ...]]:
    """Show ``artifact`` the images of the model and judge its answers, its kernels and, if one is stored, its cost.

    Raises:
        RunError: the program cannot be loaded or executed.
    """
    case, profile, runtime = artifact.case, machine.profile, Arm64Runtime(artifact.path, machine)
    first = run(runtime, model.inputs[:1])
    found = execution_of(runtime, machine)
    answers = Outputs(runtime.producer, first.features | run(runtime, model.inputs[1:]).features)
    rows = (profile.name, ARM64)
    against: dict[Gate, Outputs] = {"parity": here} if here else {}
    against |= {"fidelity": model.lowered(case), "loss": model.trained}
    verdicts = tuple(judge(case, g, to, answers, row=tolerance(case, g, rows)) for g, to in against.items())
    if machine.emulated and artifact.delegation:
        verdicts += (judge_kernels(case, profile, artifact.delegation, found),)
    if machine.emulated and expected is not None:
        verdicts += (judge_cost(case, found, expected),)
    return found, verdicts


def execution_of(runtime: Arm64Runtime, machine: Guest) -> Execution:
    """What the last inference of ``runtime`` was computed by."""
    functions = machine.instructions()
    del functions[OUTSIDE]
    total = functions.total()
    shares = {name: count / total for name, count in functions.most_common() if count >= total / 200}
    products = dict(runtime.products.most_common())
    return Execution(machine.profile.name, runtime.producer, products, shares, total or None)


def judge_kernels(case: Case, profile: Profile, delegation: Delegation, found: Execution) -> Verdict:
    """A program must be computed by the kernels that this core has for its precision, and not by more general ones."""
    key, named = (case.precision, profile.name), f"{case} %s kernels on {profile.name}: "
    if key in KERNELS:
        wanted = re.compile(f"kai_run_matmul_clamp_{KERNELS[key]}")
        asked = _products(case, delegation)
        did = Counter({name: n for name, n in found.products.items() if wanted.fullmatch(name)})
        share = min(1.0, did.total() / asked) if asked else 0.0
        passes, what = share >= SHARE, f"KleidiAI's '{wanted.pattern}' for {SHARE:.0%} of its {case.precision} products"
        ran = f"{share:.1%} of its {case.precision} products ran in {did.most_common(1)[0][0]}" if did else ""
    else:
        rivals = tuple(f"({instruction})" for instruction in RIVALS[case.precision])
        most = next((name for name in found.shares if name.endswith(rivals)), "")
        share, what = found.shares.get(most, 0.0), f"a kernel of XNNPACK that multiplies by {XNNPACK[key]}"
        passes = most.endswith(f"({XNNPACK[key]})") and share >= LEAST[case.precision]
        ran = f"{share:.0%} of its instructions ran in {most}"
    if passes:
        return Verdict(case, "kernels", "pass", f"{named % 'passes'}{ran}.", producer=found.producer)
    sentence = f"{named % 'fails'}{what} is wanted; what ran is {what_ran(found)}."
    return Verdict(case, "kernels", "fail", sentence, producer=found.producer)


def _products(case: Case, delegation: Delegation) -> int:
    """Multiply-accumulates whose operands have the types of the case's precision."""
    types = ARITHMETIC[case.precision]
    return sum(count for key, count in delegation.products.items() if key.split(" ", 1)[1] == types)


def what_ran(found: Execution) -> str:
    """KleidiAI's kernels with their products, and the functions that most instructions were of."""
    ran = [f"{name} ({count:,} products)" for name, count in found.products.items()]
    ran += [f"{name} ({share:.0%} of the instructions)" for name, share in list(found.shares.items())[:4]]
    return ", ".join(ran) or "no kernel of KleidiAI"


def judge_cost(case: Case, found: Execution, expected: int) -> Verdict:
    """A program must not take more instructions than the stored one did.

    Where only KleidiAI's products are counted, fewer are as bad as more: other kernels, uncounted, compute the rest.
    """
    gate, more = _gate(bool(found.instructions)), found.cost - expected
    unit, allowed = ("instructions", "more") if found.instructions else ("products by KleidiAI", "more or fewer")
    passes = (more if found.instructions else abs(more)) <= SLOWER * expected
    sentence = (
        f"{case} {'passes' if passes else 'fails'} {gate} on {found.profile}: {found.cost:,} {unit} for its first "
        f"image, {more / expected:+.2%} against the stored {expected:,}; {SLOWER:.0%} {allowed} are allowed."
    )
    return Verdict(case, gate, "pass" if passes else "fail", sentence, producer=found.producer)


_COSTS: Final = TypeAdapter(dict[str, dict[str, Positive]])
_LARGEST: Final = 10_000_000
"""Bytes of a file of costs."""


def stored_costs(path: Path) -> dict[str, dict[str, int]]:
    """What a first inference costs, by profile and case.

    Raises:
        GoldenError: it is missing or unreadable.
    """
    try:
        return _COSTS.validate_json(plain_file(path, _LARGEST).read_bytes())
    except FileNotFoundError as error:
        raise GoldenError(
            f"There are no costs at '{path}': name them by --costs, or store them by --update."
        ) from error
    except (OSError, ValidationError) as error:
        raise GoldenError(f"'{path}' does not hold costs: restore it from version control.") from error


def store_costs(path: Path, counted: Mapping[tuple[str, Case], int]) -> None:
    """Replace what is stored of these profiles and cases; the rest stays.

    Raises:
        GoldenError: the file cannot be written.
    """
    try:
        costs = stored_costs(path) if path.exists() else {}
        for (profile, case), cost in counted.items():
            costs.setdefault(profile, {})[str(case)] = cost
        ordered = {profile: dict(sorted(costs[profile].items())) for profile in sorted(costs)}
        replace_file(path, _COSTS.dump_json(ordered, indent=1) + b"\n")
    except OSError as error:
        raise GoldenError(f"Cannot write '{path}': {error.strerror or error}.") from error
