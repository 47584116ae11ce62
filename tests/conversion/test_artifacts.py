"""Every artifact says what it is, in its own format's way, and holds together when opened with its own tools."""

import json
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.gates.arithmetic import judge_arithmetic
from pe_validate.mil.package import Package
from pe_validate.models.perception_encoder.vision.config import LICENCE
from pe_validate.models.perception_encoder.vision.model import VisionModel
from pe_validate.models.registry import model_named
from pe_validate.reference.reference import Reference
from pe_validate.system.files import digest
from pe_validate.targets.coreai import COREAI, program
from pe_validate.targets.coreml import CoreMLBase
from pe_validate.targets.pt2.program import METADATA
from pe_validate.targets.registry import recipe, target_of
from pe_validate.walk.check import claimed

IOS_17, IOS_18 = 8, 9
"""Core ML specification versions, by the system that introduced them."""


def onnx_metadata(path: Path) -> dict[str, str]:
    model = onnx.load(path, load_external_data=False)
    assert model.producer_name == "pe_validate"
    assert not [tensor.name for tensor in model.graph.initializer if tensor.external_data]
    return {entry.key: entry.value for entry in model.metadata_props}


def pte_metadata(path: Path) -> dict[str, str]:
    from pe_validate.targets.xnnpack.bindings import executorch

    program = executorch._load_program(str(path))
    names = [program.get_method_name(i).removeprefix("pe_") for i in range(program.num_methods())]
    return {name: program.load_method(f"pe_{name}")([])[0] for name in names if name != "forward"}


def mlpackage_metadata(path: Path) -> dict[str, str]:
    specification = Package(path).specification()
    said = dict(specification.description.metadata.userDefined)
    assert specification.specificationVersion == (IOS_18 if said["precision"] == "int4" else IOS_17)
    assert specification.description.metadata.license == LICENCE
    return said


def pt2_metadata(path: Path) -> dict[str, str]:
    extra = {METADATA: ""}
    torch.export.load(path, extra_files=extra)
    said: dict[str, str] = json.loads(extra[METADATA])
    return said


def aimodel_metadata(path: Path) -> dict[str, str]:
    found = program.metadata(path)
    assert (found["author"], found["license"]) == ("pe_validate", LICENCE)
    said: dict[str, str] = found["creatorDefinedMetadata"]
    return said


READ = {
    "onnx": onnx_metadata,
    "pte": pte_metadata,
    "mlpackage": mlpackage_metadata,
    "pte-coreml": pte_metadata,
    "pt2": pt2_metadata,
    "coreai": aimodel_metadata,
}


def test_carries_its_model_weights_and_licence(pe_case: Case, pe_artifact: Artifact) -> None:
    said = READ[pe_case.target](pe_artifact.path)
    assert said["model"] == pe_case.model
    assert said["precision"] == pe_case.precision
    assert said["weights_sha256"] == pe_artifact.weights_sha256
    assert said["licence"] == LICENCE


def test_is_recognised_as_its_case(pe_case: Case, pe_artifact: Artifact) -> None:
    assert claimed(pe_artifact.path, pe_case.model).case == pe_case


def test_is_the_file_that_was_exported(pe_artifact: Artifact) -> None:
    assert digest(pe_artifact.path) == pe_artifact.sha256


def test_only_an_executorch_program_delegates_and_it_does_so_once(pe_case: Case, pe_artifact: Artifact) -> None:
    found = pe_artifact.delegation
    assert (found is None) == (not pe_case.target.startswith("pte"))
    if found:
        accepted = model_named(pe_case.model).pieces(pe_case.kind)  # of ids, which delegates of floats leave outside
        assert found.delegate_calls == 1
        assert set(found.left_over) <= set(accepted.outside if accepted else ())


def test_a_program_multiplies_as_often_as_the_model_needs_and_as_its_precision_says(
    pe_case: Case, pe_artifact: Artifact
) -> None:
    if pe_artifact.delegation:
        assert judge_arithmetic(pe_case, pe_artifact.delegation).status == "pass"
        assert sum(pe_artifact.delegation.products.values()) == pytest.approx(model_named(pe_case.model).macs, rel=0.01)


BITS = {
    "fp32": 32,
    "fp16": 16,
    "pte/int8": 8 + 32 / 192,
    "pte/int8-static": 8 + 32 / 192,
    "mlpackage/int8": 8 + 16 / 192,
    "mlpackage/int8-palette": 8,
    "mlpackage/int6-palette": 6,
    "coreai/int8": 8 + 16 / 192,
    "coreai/int8-palette": 8,
    "coreai/int6-palette": 6,
    "int4": 4 + 16 / 32,
}
"""Of one weight of a linear layer, with its share of a scale: for a channel of 192 or more, or for a group of 32."""


TEXTS = {"pte-coreml": 400_000, "pt2": 600_000}
"""Bytes of names of operators: ExecuTorch keeps them beside the package, PyTorch writes its graph as JSON."""


def bits(case: Case) -> float:
    return BITS.get(case.kind, BITS.get(case.precision, 0))


def test_an_artifact_is_as_large_as_its_weights(pe_case: Case, pe_artifact: Artifact, pe_reference: Reference) -> None:
    if pe_case.target != "onnx":
        module = pe_reference.model.deployable(pe_reference.module, recipe(pe_case).form)
        # A vision tower's, which reads a sum; see docs/decisions.md.
        kept = pe_case.precision == "int8-static" and isinstance(pe_reference.model, VisionModel)
        floating = "encoder.projection" if kept else None
        layers = {name: m for name, m in module.named_modules() if isinstance(m, nn.Linear) and name != floating}
        linear = sum(layer.weight.numel() for layer in layers.values())
        others = sum({t.data_ptr(): t.numel() for t in module.state_dict().values()}.values()) - linear
        half = pe_case.precision == "fp16" or (
            (isinstance(target_of(pe_case), CoreMLBase) or target_of(pe_case) is COREAI) and pe_case.precision != "fp32"
        )
        expected = linear * bits(pe_case) / 8 + others * (2 if half else 4)
        texts = TEXTS.get(pe_case.target, 0)
        assert pe_artifact.size == pytest.approx(expected, rel=0.06, abs=200_000 + texts)
