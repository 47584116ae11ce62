"""Every artifact says what it is, in its own format's way, and holds together when opened with its own tools."""

from pathlib import Path

import onnx

from pe_validate.case import Case
from pe_validate.export.artifact import Artifact, Delegation, digest
from pe_validate.mil.package import Package
from pe_validate.models.config import LICENCE
from pe_validate.pipeline import claimed

IOS_17 = 8
"""Core ML specification version that iOS 17 introduced."""


def onnx_metadata(path: Path) -> dict[str, str]:
    model = onnx.load(path, load_external_data=False)
    assert model.producer_name == "pe_validate"
    assert not [tensor.name for tensor in model.graph.initializer if tensor.external_data]
    return {entry.key: entry.value for entry in model.metadata_props}


def pte_metadata(path: Path) -> dict[str, str]:
    from executorch.extension.pybindings import _portable_lib

    program = _portable_lib._load_program(str(path))
    names = [program.get_method_name(i).removeprefix("pe_") for i in range(program.num_methods())]
    return {name: program.load_method(f"pe_{name}")([])[0] for name in names if name != "forward"}


def mlpackage_metadata(path: Path) -> dict[str, str]:
    specification = Package(path).specification()
    assert specification.specificationVersion == IOS_17
    assert specification.description.metadata.license == LICENCE
    return dict(specification.description.metadata.userDefined)


READ = {"onnx": onnx_metadata, "pte": pte_metadata, "mlpackage": mlpackage_metadata}


def test_carries_its_model_weights_and_licence(pe_case: Case, pe_artifact: Artifact) -> None:
    said = READ[pe_case.target](pe_artifact.path)
    assert said["model"] == pe_case.model
    assert said["precision"] == pe_case.precision
    assert said["weights_sha256"] == pe_artifact.weights_sha256
    assert said["licence"] == LICENCE


def test_is_recognised_as_its_case(pe_case: Case, pe_artifact: Artifact) -> None:
    assert claimed(pe_artifact.path, pe_case.model) == pe_case


def test_is_the_file_that_was_exported(pe_artifact: Artifact) -> None:
    assert digest(pe_artifact.path) == pe_artifact.sha256


def test_only_an_executorch_program_delegates_and_it_does_so_once(pe_case: Case, pe_artifact: Artifact) -> None:
    assert pe_artifact.delegation == (Delegation(1, ()) if pe_case.target == "pte" else None)
