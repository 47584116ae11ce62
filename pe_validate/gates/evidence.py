"""How an artifact is examined: which gates it has to pass, and what is run for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.case import CORE_ML, Case
from pe_validate.data.artifact import Delegation, memory_for
from pe_validate.gates.limits import Gate, of_rewrite, rows
from pe_validate.gates.verdicts import (
    GateName,
    Verdict,
    judge,
    judge_accuracy,
    judge_arithmetic,
    judge_delegation,
    judge_determinism,
    judge_interface,
    judge_retrieval,
    judge_weights,
    refuse,
)
from pe_validate.inputs.images import Sample
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.weights import TRAINED
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child
from pe_validate.targets.open import Outputs, Runtime, run
from pe_validate.targets.runtime import Reading, best_reading
from pe_validate.tasks.accuracy import Accuracy, held_out, top1
from pe_validate.tasks.retrieval import agreement


def required(case: Case, weights: str, *, made_here: bool) -> tuple[GateName, ...]:
    """The gates without which ``case`` has not passed; ``made_here`` says that its graph is known."""
    row, program = rows(case), case.target.startswith("pte")
    wanted: dict[GateName, bool] = {
        "rewrite": made_here,
        "gelu": made_here and "gelu" in of_rewrite(case),
        "fidelity": made_here,
        "identity": not made_here,
        "loss": True,
        "interface": made_here,
        "extremes": True,
        "determinism": True,
        "retrieval": row.retrieval is not None,
        "accuracy": row.accuracy is not None and weights == TRAINED,
        "delegation": program,
        "arithmetic": program,
        "weights": case.target == "pte",
        "compression": made_here and case.target == "mlpackage",
    }
    return tuple(gate for gate, needed in wanted.items() if needed)


def judge_rewrite(case: Case, model: Reference) -> tuple[Verdict, ...]:
    """The form of the model that is lowered, before anything is rounded: exact algebra, and its GELU by itself."""
    exact = model.rewritten(case)
    verdicts: tuple[Verdict, ...] = (judge(case, "rewrite", model.trained, exact),)
    if "gelu" in of_rewrite(case):
        verdicts += (judge(case, "gelu", exact, model.rewritten(case, erf=False)),)
    return verdicts


BUDGET: Final = 3600.0
"""Seconds that the answers of one artifact may take, in each way of reading it; the largest model's take minutes."""


def prove(
    case: Case,
    path: Path,
    inputs: tuple[Sample, ...],
    against: dict[Gate, Outputs],
    output: str | None = None,
    *,
    answered: Callable[[Runtime], tuple[Verdict, ...]] = lambda runtime: (),
    judging: Callable[[Case, Gate, Outputs, Outputs], Verdict] = judge,
) -> tuple[Verdict, ...]:
    """Run the file on every input, in the reading that each gate calls for, and hold it to the references.

    ``judging`` holds answers to a reference. ``answered`` judges the runtime that loss is judged in further, if its
    answers had the right shape.
    """
    verdicts: dict[Gate, Verdict] = {}
    more: tuple[Verdict, ...] = ()
    with Child(memory=memory_for(path)) as child:
        for reading in sorted({reading_for(case, gate) for gate in against}):
            gates = [gate for gate in against if reading_for(case, gate) == reading]
            runtime = IsolatedRuntime(path, case.target, reading, output, child=child, budget=BUDGET)
            wanted = runtime.image_spec()
            if not wanted.accepts(inputs[0].image.shape):
                reason = f"it takes {wanted}, the model an image of {list(inputs[0].image.shape)}"
                verdicts |= {gate: refuse(case, gate, runtime.producer, reason) for gate in gates}
                continue
            outputs = run(runtime, inputs)
            verdicts |= {gate: judging(case, gate, against[gate], outputs) for gate in gates}
            if "loss" in gates and verdicts["loss"].comparisons:
                more = answered(runtime)
    return tuple(verdicts[gate] for gate in against) + more


def answers_further(case: Case, model: Reference, made_here: bool, runtime: Runtime) -> tuple[Verdict, ...]:
    """What a runtime whose answers were compared is asked besides; ``made_here`` as in :func:`required`."""
    verdicts: tuple[Verdict, ...] = (judge_interface(case, runtime),) if made_here else ()
    verdicts += at_extremes(case, model, runtime)
    if runtime.image_spec().shape[0] == -1:
        verdicts += (in_a_batch(case, model, runtime),)
    return verdicts + as_felt(case, model, runtime)


def at_extremes(case: Case, model: Reference, runtime: Runtime) -> tuple[Verdict, ...]:
    """Black and white, and black once more: an answer must not depend on the calls before it."""
    found = run(runtime, model.extremes.images)
    first = model.extremes.images[0]
    again = runtime.run(first.image)
    return (
        judge(case, "extremes", model.extremes.trained, found),
        judge_determinism(case, runtime.producer, first.name, found.features[first.name], again),
    )


def in_a_batch(case: Case, model: Reference, runtime: Runtime) -> Verdict:
    """All inputs in one call, where the artifact takes several."""
    try:
        together = runtime.run(np.concatenate([sample.image for sample in model.inputs]))
    except RunError as error:
        return refuse(case, "batch", runtime.producer, f"it declares any batch, but given {len(model.inputs)}: {error}")
    if len(together) != len(model.inputs):
        return refuse(case, "batch", runtime.producer, f"to {len(model.inputs)} images it gave {len(together)} answers")
    features = {sample.name: together[i : i + 1] for i, sample in enumerate(model.inputs)}
    return judge(case, "batch", model.trained, Outputs(f"{runtime.producer}, in one batch", features))


def as_felt(case: Case, model: Reference, runtime: Runtime) -> tuple[Verdict, ...]:
    """Loss in the words of who uses the embedding: neighbours that change, images that are not recognised."""
    verdicts: tuple[Verdict, ...] = ()
    row = rows(case)
    if row.retrieval:
        search = model.search
        answers = run(runtime, search.queries)
        found = agreement(*(embeddings(case, each) for each in (search.bank, search.trained, answers)))
        verdicts += (judge_retrieval(case, runtime.producer, found, row.retrieval),)
    if row.accuracy and model.weights.spec == TRAINED:
        images = held_out()
        seen = Accuracy(top1(run(runtime, images.inputs), images), model.recognised, len(images.inputs))
        verdicts += (judge_accuracy(case, runtime.producer, seen, row.accuracy),)
    return verdicts


def embeddings(case: Case, outputs: Outputs) -> NDArray[np.float32]:
    """What is looked up: ``[images, dim]`` when pooled, every patch of every image ``[patches, dim]`` when not."""
    first = 0 if case.config.pool_heads else int(case.config.class_token)
    return np.concatenate([answer.reshape(-1, answer.shape[-1])[first:] for answer in outputs.features.values()])


def structure(
    case: Case, delegation: Delegation, graph: Mapping[str, str] = MappingProxyType({})
) -> tuple[Verdict, ...]:
    """The gates that read an ExecuTorch program instead of running it; ``graph``: digests of its layers, if known."""
    verdicts = (judge_delegation(case, delegation), judge_arithmetic(case, delegation))
    # Core ML's are in the package inside, which keeps no digests; fidelity sees them, to 120 dB.
    return verdicts + ((judge_weights(case, delegation, graph),) if case.target == "pte" else ())


def reading_for(case: Case, gate: Gate) -> Reading:
    """How the artifact is executed for one gate.

    Only Core ML in float16 computes differently from how its graph reads: there, every gate but loss asks about the
    graph.
    """
    graph_alone = gate != "loss" and case.target in CORE_ML and case.precision != "fp32"
    return "exact" if graph_alone else best_reading()
