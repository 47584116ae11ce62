"""What Core AI's float16 means: its readings against PyTorch, Core ML's evaluator and XNNPACK, for one photograph.

    python tests/benchmarks/coreai_half.py PE-Nano
    python tests/benchmarks/coreai_half.py PE-Core-T16-384 --quick

Prints the table of docs/coreai.md. ``--quick`` leaves out the runtime's own float16 and running sums that are rounded
after each term, which take minutes for larger models.
"""

from __future__ import annotations

import argparse

import numpy as np

from pe_validate import mil
from pe_validate.case import Case
from pe_validate.data.compare import compare
from pe_validate.data.outputs import Array, Reading
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import load_model, load_weights, model_named
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.export import export
from pe_validate.targets.recipes import lowered


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--quick", action="store_true")
    wanted = parser.parse_args()
    model, weights = model_named(wanted.model), load_weights(wanted.model, DEFAULT_WEIGHTS)
    sample = model.feed.crops(1, 1, None)[0]

    def case(target: str) -> Case:
        return Case(wanted.model, target, "fp16")

    def answer(target: str, reading: Reading) -> Array:
        path = export(case(target), weights).path
        with IsolatedRuntime(path, target, reading, timeout=3600, interface=model.interface) as runtime:
            return runtime.run(*sample.values)

    def evaluated(terms: int | None) -> Array:
        program = mil.load(export(case("mlpackage"), weights).path, "declared", terms=terms)
        found = program.predict({program.inputs[0].name: sample.values[0]})
        return np.asarray(found[program.outputs[0].name], np.float32)

    tower = load_model(wanted.model, weights)
    rounded = EagerRuntime(lowered(load_model(wanted.model, weights), case("coreai")), model)
    answers = {
        "PyTorch in float32": EagerRuntime(tower, model).run(*sample.values),
        "PyTorch, constants rounded to float16": rounded.run(*sample.values),
        "Core AI, `exact`": answer("coreai", "exact"),
        "Core AI, `declared`": answer("coreai", "declared"),
        "Core ML evaluator, `declared`": evaluated(None),
        "Core ML evaluator, sums rounded every 8 terms": evaluated(8),
        "XNNPACK, fp16": answer("pte", "native"),
    }
    if not wanted.quick:
        answers["Core ML evaluator, sums rounded after each term"] = evaluated(1)
        answers["Core AI, `native` on Linux"] = answer("coreai", "native")
    print("| dB against | " + " | ".join(str(number + 1) for number in range(len(answers))) + " |")
    print("| --- |" + " ---: |" * len(answers))
    for number, (name, one) in enumerate(answers.items()):
        cells = [f"{compare(one, other).snr_db:.1f}" if one is not other else "–" for other in answers.values()]
        print(f"| {number + 1}. {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
