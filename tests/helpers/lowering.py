"""What the tests of ``xnnpack/write.py`` ask a child process to do: lower one block of PE-Nano in two ways."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import torch
from nano import case as case_of

from pe_validate.models.perception_encoder.vision.config import NANO
from pe_validate.models.perception_encoder.vision.synthetic import seeded
from pe_validate.models.perception_encoder.vision.tower import VisionTower


def lower_both_ways(precision: str) -> list[dict[str, Any]]:
    """Sha256, delegate's nodes, compile specs and answer of the documented lowering, then of the short one."""
    from pe_validate.targets.recipes import calibration_images, lowered
    from pe_validate.targets.registry import recipe
    from pe_validate.targets.xnnpack.bindings import executorch
    from pe_validate.targets.xnnpack.delegation import graph_of
    from pe_validate.targets.xnnpack.reader import deserialize_pte_binary
    from pe_validate.targets.xnnpack.write import lower_by_partitions, lower_whole

    tower = VisionTower(replace(NANO, layers=1)).eval().requires_grad_(False)
    tower.load_state_dict(seeded(tower.config, 7))
    case = case_of(precision)
    module = lowered(tower, case, calibration_images(case))
    image = torch.rand(NANO.input_shape, generator=torch.Generator().manual_seed(0))
    image = image.to(getattr(torch, recipe(case).scheme.dtype))
    found = []
    for lower in (lower_by_partitions, lower_whole):
        program = lower(torch.export.export(module, (image,)), {"pe_a": "b"}).to_executorch().buffer
        plan = deserialize_pte_binary(program).program
        delegates = [d for p in plan.execution_plan if p.name == "forward" for d in p.delegates]
        (answer,) = executorch._load_for_executorch_from_buffer(program).forward((image,))
        found.append(
            {
                "sha256": hashlib.sha256(program).hexdigest(),
                "delegates": len(delegates),
                "specs": sum(len(d.compile_specs) for d in delegates),
                "nodes": graph_of(plan.backend_delegate_data[delegates[0].processed.index].data)["xnodes"],
                "answer": answer.float().numpy().copy(),
            }
        )
    return found
