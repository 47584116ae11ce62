"""Assets as Apple's runtime takes and refuses them, and what is read from them without running them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mutations import is_sentence, mutation
from numpy.typing import NDArray
from tiny_artifacts import CONFIG, BySigmoid, line_module, tiny_module, write_by_sigmoid

from pe_validate.data.outputs import Reading
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.system.errors import ExportError, RunError
from pe_validate.system.process import Child
from pe_validate.targets.coreai import COREAI, libraries, program
from pe_validate.targets.export import export
from pe_validate.targets.schemes import round_constants

IMAGE = np.random.default_rng(0).uniform(-1, 1, CONFIG.input_shape).astype(np.float32)
FEW, MANY = 40, 2000
ROOM = 4 * 2**30
SECONDS = 60.0


def written(tiny: Path, precision: str) -> Path:
    return tiny / f"tiny-{precision}.aimodel"


def computed(path: Path, reading: Reading = "native", image: NDArray[np.float32] = IMAGE) -> NDArray[np.float32]:
    with IsolatedRuntime(path, COREAI.name, reading) as runtime:
        return runtime.run(image)


def expected(rounded: bool) -> NDArray[np.float32]:
    module = round_constants(tiny_module()) if rounded else tiny_module()
    with torch.no_grad():
        found: NDArray[np.float32] = module(torch.from_numpy(IMAGE)).numpy()
    return found


def decibels(reference: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    difference = (reference - actual).astype(np.float64)
    return float(10 * np.log10((reference.astype(np.float64) ** 2).sum() / max((difference**2).sum(), 1e-30)))


@pytest.mark.parametrize(
    ("precision", "reading", "least", "most"),
    [
        ("fp32", "native", 120, 400),
        ("fp16", "exact", 120, 400),
        ("fp16", "declared", 55, 90),
        ("fp16", "native", 45, 90),
    ],
)
def test_each_reading_is_as_far_from_the_graph_as_it_rounds(
    tiny: Path, precision: str, reading: Reading, least: float, most: float
) -> None:
    found = decibels(expected(precision == "fp16"), computed(written(tiny, precision), reading))
    assert least < found < most


@pytest.mark.parametrize("reading", ["exact", "declared"])
def test_a_number_without_axes_is_read_as_the_others(tmp_path: Path, reading: Reading) -> None:
    path = tmp_path / "sigmoid-fp16.aimodel"
    with Child() as child:
        child.call(write_by_sigmoid, 300, COREAI.name, "fp16", path)
    with torch.no_grad():
        features = BySigmoid().eval()(torch.from_numpy(IMAGE)).numpy()
    assert decibels(features, computed(path, reading)) > 50


def test_the_runtimes_own_float16_rounds_every_product_and_every_partial_sum_in_order(tiny: Path) -> None:
    """As docs/coreai.md says; where this fails the runtime sums in another way, and `native` may have become usable."""
    weight = line_module().weight.numpy().astype(np.float16)
    given = np.random.default_rng(1).standard_normal((8, 128)).astype(np.float16)
    total = np.zeros((8, 16), np.float16)
    for term in range(128):
        total += given[:, term : term + 1] * weight[:, term]
    path = tiny / "line-fp16.aimodel"
    assert (computed(path, "native", given.astype(np.float32)) == total).all()
    once = (given.astype(np.float32) @ weight.T.astype(np.float32)).astype(np.float16)
    assert (computed(path, "declared", given.astype(np.float32)) == once).mean() > 0.99


def test_the_producer_says_how_float16_was_computed(tiny: Path) -> None:
    said = {}
    for reading in ("exact", "declared", "native"):
        with IsolatedRuntime(written(tiny, "fp16"), COREAI.name, reading) as runtime:
            said[reading] = runtime.producer.partition("(")[2]
    assert said["exact"].endswith("float16 computed in float32)")
    assert said["declared"].endswith("results rounded to float16)")
    assert said["native"].count(",") == 0


def test_the_structure_is_read_without_running(tiny: Path) -> None:
    for precision, storage in (("fp32", "float32"), ("fp16", "float16")):
        found = COREAI.structure(written(tiny, precision))
        assert {weight.layer: weight.storage for weight in found.weights if weight.layer} == {
            "linear": storage,
            "convolution": storage,
        }
        assert COREAI.precision_of(written(tiny, precision), found) == precision
        assert COREAI.unlisted_precision(found) is None


def test_values_inside_are_those_of_the_layers(tiny: Path) -> None:
    values = COREAI.intermediates(written(tiny, "fp32"), "native", IMAGE, frozenset({4 * 16, 8}))
    with torch.no_grad():
        convolved = tiny_module()[0](torch.from_numpy(IMAGE)).numpy()  # type: ignore[index]
    assert any(np.allclose(each.ravel(), convolved.ravel(), atol=1e-5) for each in values.values())


def test_a_file_holds_no_paths_of_the_machine_that_made_it(tiny: Path) -> None:
    content = (written(tiny, "fp32") / program.BYTECODE).read_bytes()
    assert b"site-packages" not in content
    assert str(Path(__file__).parents[4]).encode() not in content


def _truncated(path: Path) -> None:
    file = path / program.BYTECODE
    file.write_bytes(file.read_bytes()[:-100])


def _truncated_without_hash(path: Path) -> None:
    (path / program.HASH).unlink()
    _truncated(path)


def _newer(path: Path) -> None:
    file = path / program.METADATA
    file.write_text(json.dumps(json.loads(file.read_text()) | {"assetVersion": "3.0"}))


def _not_a_program(path: Path) -> None:
    (path / program.HASH).unlink()
    (path / program.BYTECODE).write_bytes(b"PK\3\4" + bytes(100))


def _of_nothing(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"no folder")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_truncated, "its program is not the one that was written"),
        (_truncated_without_hash, "ended by SIGABRT"),
        (_newer, r"has version 3\.0 of the format, newer than 2"),
        (_not_a_program, "'main.mlirb' is no program"),
        (_of_nothing, "is no Core AI asset"),
        (lambda path: (path / program.BYTECODE).unlink(), "holds no program"),
        (lambda path: (path / program.METADATA).unlink(), r"metadata \('metadata.json'\) cannot be read"),
        (lambda path: (path / program.METADATA).write_text("[" * 100_000), "cannot be read"),
        (lambda path: (path / program.METADATA).write_text("[]"), "its metadata is no object"),
        (lambda path: (path / program.METADATA).write_text("{}"), "no version of the format"),
        (lambda path: (path / program.METADATA).write_text('{"assetVersion": ["2"]}'), "no version of the format"),
    ],
)
def test_what_is_no_whole_asset_is_refused_in_a_sentence(
    tiny: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "sick.aimodel"
    shutil.copytree(written(tiny, "fp32"), path)
    spoil(path)
    for read in (computed, COREAI.structure):
        with pytest.raises(RunError, match=said) as refusal:
            read(path)
        assert is_sentence(str(refusal.value)), str(refusal.value)


def test_a_wheel_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pe_validate.case import Case
    from pe_validate.system.errors import SetupError

    with pytest.raises(SetupError, match=r"its wheels are for Linux on x86-64 .*, and this is ") as refusal:
        libraries.library("coreai.nothing")
    assert is_sentence(str(refusal.value))
    monkeypatch.setattr(type(COREAI), "tools", ("torch", "no-such-wheel"))
    with pytest.raises(ExportError, match=r"needs 'no-such-wheel', which is not installed: .* Linux on x86-64"):
        export(Case("PE-Nano", "coreai", "fp32"), cache_dir=tmp_path)


@pytest.fixture
def lasting() -> Iterator[Callable[[], Child]]:
    """A child that is replaced when a mutation has killed it."""
    children: list[Child] = []

    def living() -> Child:
        if not children or not children[-1].alive:
            children.append(Child(memory=ROOM, preload=COREAI.preload))
        return children[-1]

    yield living
    for child in children:
        child.close()


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
@pytest.mark.parametrize("member", [program.BYTECODE, program.METADATA])
def test_a_mutated_asset_is_an_answer_or_one_sentence(
    tiny: Path, tmp_path: Path, lasting: Callable[[], Child], member: str, count: int
) -> None:
    """Without the hash of its program, so that mutations come to Apple's reader."""
    path = tmp_path / "mutated.aimodel"
    shutil.copytree(written(tiny, "fp32"), path)
    (path / program.HASH).unlink()
    content, answers = (path / member).read_bytes(), 0
    for index in range(count):
        (path / member).write_bytes(mutation(content, member, index))
        try:
            IsolatedRuntime(path, COREAI.name, "native", child=lasting(), timeout=SECONDS).run(IMAGE)
            answers += 1
        except RunError as error:
            said = str(error)
            assert is_sentence(said), f"mutation {index} of {member}: {said!r}"
        assert {each.name for each in tmp_path.iterdir()} == {path.name}
    assert 0 < answers < count, "mutations that are all harmless, or all refused, show nothing"
