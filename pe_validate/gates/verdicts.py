"""Comparison + Tolerance → Verdict: pass or fail, and a sentence that explains itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final, Literal

import numpy as np

from pe_validate.case import Case
from pe_validate.data.artifact import INPUT_NAME, OUTPUT_NAME, Delegation, TensorSpec
from pe_validate.data.comparison import Comparison, compare_outputs, worst
from pe_validate.gates.limits import AccuracyTolerance, AgreementTolerance, Gate, Tolerance, tolerance
from pe_validate.mil.inspection import Inspection, Weight
from pe_validate.targets.recipes import recipe
from pe_validate.targets.runtime import Array, Outputs, Runtime
from pe_validate.tasks.accuracy import Accuracy
from pe_validate.tasks.retrieval import Agreement

Status = Literal["pass", "fail"]

GateName = (
    Gate
    | Literal["interface", "determinism", "weights", "retrieval", "accuracy", "delegation", "arithmetic", "compression"]
    | Literal["kernels", "cost", "products"]
)
"""Every gate: those with limits on numbers, and those that ask something else."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says of one case."""

    case: Case
    gate: GateName
    status: Status
    sentence: str
    reference: str = ""
    producer: str = ""
    worst: Comparison | None = None
    comparisons: dict[str, Comparison] | None = None
    tolerance: Tolerance | None = None
    agreement: Agreement | None = None
    accuracy: Accuracy | None = None
    layers: tuple[str, ...] = ()
    """Whose weights are wrong."""


def judge(case: Case, gate: Gate, reference: Outputs, actual: Outputs, *, row: Tolerance | None = None) -> Verdict:
    """Hold what an artifact computed against a reference, input by input; by the gate's own row unless one is given."""
    row = row or tolerance(case, gate)
    for name, expected in reference.features.items():
        if name in actual.features and (found := actual.features[name].shape) != expected.shape:
            reason = f"it answers with shape {list(found)}, the model with {list(expected.shape)}"
            return refuse(case, gate, actual.producer, reason)
    comparisons = compare_outputs(reference, actual)
    faults = {name: fault for name, c in comparisons.items() if (fault := breach(c, row))}
    overall = worst(list(comparisons.values()))
    if faults:
        name = min(faults, key=lambda name: comparisons[name].snr_db)
        others = f" ({len(faults)} of {len(comparisons)} inputs fail)" if len(faults) > 1 else ""
        sentence = (
            f"{case} fails {gate} on '{name}'{others}: {actual.producer} against {reference.producer} has "
            f"{faults[name]}; the limit is there because {row.reason}"
        )
        sentence = f"{sentence.removesuffix('.')}; {actual.notes[0]}." if actual.notes else sentence
    else:
        sentence = (
            f"{case} passes {gate} on {len(comparisons)} inputs: {actual.producer} against "
            f"{reference.producer} is at worst {overall.snr_db:.1f} dB, limit {row.limit.snr_db:g} dB."
        )
    return Verdict(
        case,
        gate,
        "fail" if faults else "pass",
        sentence,
        reference=reference.producer,
        producer=actual.producer,
        worst=overall,
        comparisons=comparisons,
        tolerance=row,
    )


def refuse(case: Case, gate: Gate, producer: str, reason: str) -> Verdict:
    """The verdict on an artifact that cannot be the model, whatever its numbers."""
    return Verdict(case, gate, "fail", f"{case} fails {gate} in {producer}: {reason}.", producer=producer)


def breach(comparison: Comparison, row: Tolerance) -> str:
    """The limits that ``comparison`` breaks, each as 'observed, limit'; empty when it keeps them all."""
    limit = row.limit
    if not comparison.finite:
        return "a value that is not finite"
    broken = []
    if not comparison.max_rel <= limit.max_rel:
        broken.append(f"max |Δ| {comparison.max_rel:.3g} σ, limit {limit.max_rel:g} σ")
    if not comparison.snr_db >= limit.snr_db:
        broken.append(f"SNR {comparison.snr_db:.1f} dB, limit {limit.snr_db:g} dB")
    if not comparison.cosine >= limit.cosine:
        broken.append(f"cosine {comparison.cosine:.6f}, limit {limit.cosine:g}")
    return " and ".join(broken)


def judge_interface(case: Case, runtime: Runtime) -> Verdict:
    """An artifact must declare the one input and the one output that apps of this precision are written for."""
    dtype = recipe(case).dtype
    wanted = (
        TensorSpec(INPUT_NAME, case.config.input_shape, dtype),
        TensorSpec(OUTPUT_NAME, case.config.output_shape, dtype),
    )
    found = (*runtime.inputs, *runtime.outputs)
    passes = found == wanted
    sentence = f"{case} {'passes' if passes else 'fails'} interface: it declares {', '.join(map(str, found))}"
    sentence += "." if passes else f", where {' and '.join(map(str, wanted))} are wanted."
    return Verdict(case, "interface", "pass" if passes else "fail", sentence, producer=runtime.producer)


def judge_determinism(case: Case, producer: str, name: str, first: Array, again: Array) -> Verdict:
    """The same image must get the same answer, bit for bit, whatever came between."""
    passes = first.shape == again.shape and np.array_equal(first, again, equal_nan=True)
    sentence = f"{case} {'passes' if passes else 'fails'} determinism: {producer} answers '{name}' "
    sentence += "alike twice." if passes else "differently the second time: it draws random numbers, or keeps state."
    return Verdict(case, "determinism", "pass" if passes else "fail", sentence, producer=producer)


def judge_retrieval(case: Case, producer: str, found: Agreement, row: AgreementTolerance) -> Verdict:
    """Nearest neighbours must stay what they are in float32."""
    passes = found.top1 >= row.limit.top1 and found.top5 >= row.limit.top5
    sentence = (
        f"{case} {'passes' if passes else 'fails'} retrieval: {producer} keeps {found.top1:.1%} of the nearest "
        f"neighbours and {found.top5:.1%} of the nearest five, limits {row.limit.top1:.0%} and {row.limit.top5:.0%}"
    )
    sentence += "." if passes else f"; the limits are there because {row.reason}"
    return Verdict(case, "retrieval", "pass" if passes else "fail", sentence, producer=producer, agreement=found)


def judge_accuracy(case: Case, producer: str, found: Accuracy, row: AccuracyTolerance) -> Verdict:
    """The trained model must recognise about as many held-out images as in float32."""
    lost = 100 * (found.reference_top1 - found.top1)
    passes = lost <= row.limit + 1e-9
    sentence = (
        f"{case} {'passes' if passes else 'fails'} accuracy: {producer} recognises {found.top1:.1%} of "
        f"{found.images} held-out images, float32 {found.reference_top1:.1%}; {row.limit:g} points may be lost"
    )
    sentence += "." if passes else f", because {row.reason}"
    return Verdict(case, "accuracy", "pass" if passes else "fail", sentence, producer=producer, accuracy=found)


ARITHMETIC: Final = {
    "fp32": "fp32 × fp32",
    "fp16": "fp16 × fp16",
    "int8": "qdint8 × qcint8",
    "int8-static": "qint8 × qcint8",
    "int4": "qdint8 × qbint4",
}
"""Operand types, in XNNPACK's words, in which the linear layers of an ExecuTorch program of each precision work.

qd: activations scaled for each token as it comes. qc: weights scaled for each output channel, qb: for each group.
"""


def precision_of(delegation: Delegation) -> str:
    """The precision in which a program computes most of its linear layers; fp32 where it has none."""
    shares = {precision: delegation.products.get(f"linear {types}", 0) for precision, types in ARITHMETIC.items()}
    return max(shares, key=lambda precision: shares[precision])


LINEAR_SHARE: Final = 0.99
"""Least share of the linear layers' multiply-accumulates; the averages inside LayerNorm stay in float32."""


def judge_arithmetic(case: Case, delegation: Delegation) -> Verdict:
    """A program must compute its linear layers in what its precision promises, read from the delegate itself."""
    linear = {key.removeprefix("linear "): n for key, n in delegation.products.items() if key.startswith("linear ")}
    share = linear.get(ARITHMETIC[case.precision], 0) / max(sum(linear.values()), 1)
    passes = share >= LINEAR_SHARE
    found = ", ".join(f"{n / sum(linear.values()):.1%} {types}" for types, n in linear.items()) or "none"
    sentence = (
        f"{case} {'passes' if passes else 'fails'} arithmetic: products of linear layers are {found}; "
        f"{LINEAR_SHARE:.0%} {ARITHMETIC[case.precision]} are wanted."
    )
    return Verdict(case, "arithmetic", "pass" if passes else "fail", sentence)


def judge_weights(case: Case, delegation: Delegation, graph: Mapping[str, str]) -> Verdict:
    """A program must store the weights of ``graph``, byte for byte, and what it stores must be what was written.

    ``graph`` gives digests by name (:mod:`pe_validate.targets.xnnpack.constants`); it is empty where it is not known.
    """
    lost = [name for name, digest in graph.items() if digest not in delegation.constants]
    wrong = lost or list(delegation.altered)
    passes = not wrong and (bool(delegation.constants) or not graph)
    sentence = f"{case} {'passes' if passes else 'fails'} weights: "
    if not delegation.constants:
        sentence += "it names none of its constants" + (", and its graph has some." if graph else ".")
    elif wrong:
        what = "was altered since it was written" if delegation.altered else "of the graph is not in the program"
        sentence += f"'{wrong[0]}' {what}, one of {len(wrong)} of its {len(delegation.constants)} constants."
    else:
        sentence += f"{len(delegation.constants)} constants are as written"
        sentence += f", and all {len(graph)} of the graph's layers are among them." if graph else "."
    return Verdict(case, "weights", "pass" if passes else "fail", sentence, layers=tuple(lost))


STORAGE: Final = {
    "fp32": "float32",
    "fp16": "float16",
    "int8": "int8, a scale for each channel",
    "int8-palette": "8-bit palette",
    "int6-palette": "6-bit palette",
    "int4": "int4, blocks of 32",
}
"""How a Core ML package of each precision stores the weights of its linear layers."""


_WHOLE: Final = ("int32", "bool", "int8", "uint8", "int16", "uint16")
"""Shapes, axes and flags."""


def stored_precision(package: Inspection) -> str:
    """The compression that most weights of a package have; without one, the float type that it computes in."""
    values: Counter[str] = Counter()
    for weight in package.weights:
        values[weight.storage] += prod(weight.shape)
    most = values.most_common(1)[0][0] if values else ""
    compressed = {storage: precision for precision, storage in STORAGE.items() if not storage.startswith("float")}
    return compressed.get(most, "fp16" if "float16" in package.results else "fp32")


def judge_compression(case: Case, weights: Sequence[Weight]) -> Verdict:
    """Every matrix in a package must be stored as its precision promises, and no other tensor may be compressed."""
    wanted, plain = STORAGE[case.precision], "float32" if case.precision == "fp32" else "float16"
    matrices = [weight for weight in weights if weight.layer == "linear"]
    others = [weight for weight in weights if weight.layer != "linear"]
    wrong = [weight for weight in matrices if weight.storage != wanted]
    wrong += [weight for weight in others if weight.storage not in (plain, *_WHOLE)]
    passes = bool(matrices) and not wrong
    sentence = f"{case} {'passes' if passes else 'fails'} compression: "
    if wrong:
        sentence += f"'{wrong[0].name}' is stored as {wrong[0].storage}, one of {len(wrong)} that are not as wanted."
    else:
        sentence += f"{len(matrices)} matrices are stored as {wanted}, every other tensor as {plain}."
    return Verdict(case, "compression", "pass" if passes else "fail", sentence)


def judge_delegation(case: Case, delegation: Delegation) -> Verdict:
    """An ExecuTorch program must be one delegate call and nothing else: each more is a copy and a slow kernel."""
    whole = delegation.delegate_calls == 1 and not delegation.left_over
    found = f"{delegation.delegate_calls} delegate call{'s' * (delegation.delegate_calls != 1)}"
    if delegation.left_over:
        found += f" and {len(delegation.left_over)} operators outside ({', '.join(sorted(set(delegation.left_over)))})"
    sentence = f"{case} {'passes' if whole else 'fails'} delegation: {found}; one call and none outside are wanted."
    return Verdict(case, "delegation", "pass" if whole else "fail", sentence)
