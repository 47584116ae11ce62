"""Every artifact computes what the PyTorch model computes."""

import pytest
from hypothesis import given

from pe_validate.case import Case
from pe_validate.compare import compare
from pe_validate.export.artifact import Artifact
from pe_validate.inputs.strategies import LAYOUTS, images, layouts
from pe_validate.pipeline import Reference, examine
from pe_validate.runtime import Outputs, Runtime
from pe_validate.runtime.run_eager import EagerRuntime
from pe_validate.verdict import judge


@pytest.fixture
def see_it_again(request: pytest.FixtureRequest) -> str:
    weights = request.config.getoption("--pe-weights")
    return f"\nSee it again: pytest '{request.node.nodeid}' --pe-weights {weights} --hypothesis-profile=ci"


def test_every_gate_passes_on_photographs_and_structured_images(pe_artifact: Artifact, pe_reference: Reference) -> None:
    verdicts = examine(pe_artifact, pe_reference)
    assert verdicts
    assert not [verdict.sentence for verdict in verdicts if verdict.status != "pass"]


def test_agrees_with_eager_pytorch_on_generated_images(
    pe_case: Case, pe_reference: Reference, pe_runtime: Runtime, see_it_again: str
) -> None:
    eager = EagerRuntime(pe_reference.tower, pe_case.config)

    @given(images(pe_case.config.image_size))
    def agrees(drawn) -> None:
        expected = Outputs(eager.producer, {repr(drawn): eager.run(drawn.image)})
        actual = Outputs(pe_runtime.producer, {repr(drawn): pe_runtime.run(drawn.image)})
        verdict = judge(pe_case, "loss", expected, actual)
        assert verdict.status == "pass", verdict.sentence + see_it_again

    agrees()


def test_answers_the_same_whatever_the_memory_layout(
    pe_reference: Reference, pe_runtime: Runtime, see_it_again: str
) -> None:
    sample = pe_reference.inputs[0]
    answer = pe_runtime.run(sample.image)

    @given(layouts())
    def same(layout: str) -> None:
        difference = compare(answer, pe_runtime.run(LAYOUTS[layout](sample.image)))
        assert difference.max_abs == 0, f"{layout}: {difference}{see_it_again}"

    same()


def test_tells_images_apart(pe_reference: Reference, pe_runtime: Runtime) -> None:
    first, second = (pe_runtime.run(sample.image) for sample in pe_reference.inputs[:2])
    assert compare(first, second).snr_db < 40


def test_declares_the_promised_names_and_shapes(pe_case: Case, pe_runtime: Runtime) -> None:
    assert str(pe_runtime.image_spec()) == f"image: float32{list(pe_case.config.input_shape)}"
    assert str(pe_runtime.features_spec()) == f"features: float32{list(pe_case.config.output_shape)}"
