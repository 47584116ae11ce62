"""Which case a file claims to be: by its suffix, by what is inside it, and by what its user says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from nano import IMAGES, write_plain
from strangers import write_half

from pe_validate.data.case import Case
from pe_validate.data.comparison import Comparison
from pe_validate.data.result import Result
from pe_validate.data.structure import Delegation, Structure, Weight
from pe_validate.data.verdict import Verdict
from pe_validate.reference.reference import reference
from pe_validate.system.errors import RunError, UsageError
from pe_validate.system.process import Child
from pe_validate.targets.onnx import ONNX
from pe_validate.targets.pte_coreml.embedded import embedded
from pe_validate.targets.registry import targets
from pe_validate.walk.check import _advised, check, claimed

MODEL = "PE-Nano"


def weights(storage: str) -> Structure:
    """A package with one matrix, and a small constant in float16."""
    names = {"matrix": ((8, 8), storage), "scale": ((8,), "float16")}
    return Structure(weights=tuple(Weight(name, shape, kind, 1, "linear") for name, (shape, kind) in names.items()))


def products(kind: str) -> Structure:
    return Structure(Delegation(1, (), {kind: 64}))


@pytest.mark.parametrize(
    ("file", "kind"),
    [("tiny.onnx", "onnx/fp32"), ("tiny.pte", "pte/fp32"), ("tiny.coreml.pte", "pte-coreml/fp32")],
)
def test_a_file_says_itself_which_case_it_is(tiny: Path, file: str, kind: str) -> None:
    assert claimed(tiny / file, MODEL).case == Case(MODEL, *kind.split("/"))


def test_a_package_says_by_its_weights_and_values_in_what_it_computes(tiny: Path) -> None:
    with embedded(tiny / "tiny.coreml.pte") as package:
        found = claimed(package, MODEL)
    assert found.case == Case(MODEL, "mlpackage", "fp32")
    assert found.structure.weights


@pytest.mark.parametrize(("suffix", "target"), [("onnx", "onnx"), ("ort", "onnx"), ("pt2", "pt2")])
def test_a_file_whose_format_has_one_precision_is_claimed_by_its_suffix(
    tmp_path: Path, suffix: str, target: str
) -> None:
    (tmp_path / f"model.{suffix}").touch()
    assert claimed(tmp_path / f"model.{suffix}", MODEL).case == Case(MODEL, target, "fp32")


@pytest.fixture
def half(tiny: Path, tmp_path: Path) -> Path:
    """The ONNX file with its weights and results in float16, and its input and output as they were."""
    path = tmp_path / "half.onnx"
    with Child(tmp_path / "log") as child:
        child.call(write_half, 100, tiny / "tiny.onnx", path)
    return path


def test_a_precision_that_is_not_validated_is_named_first_and_the_numbers_are_told(half: Path) -> None:
    claim = claimed(half, MODEL)
    assert claim.unlisted == "float16 weights"
    result = check(claim, reference(MODEL))
    assert result.required == ("precision",)
    (verdict,) = result.verdicts
    assert verdict.status == result.status == "fail"
    assert verdict.sentence.startswith("PE-Nano/onnx fails precision: it has float16 weights, and 'onnx' is validated")


def test_a_precision_that_a_user_names_is_that_by_which_a_file_is_judged(half: Path) -> None:
    assert claimed(half, MODEL, "fp32").unlisted is None


@pytest.mark.parametrize(
    ("target", "structure", "unlisted"),
    [
        ("mlpackage", weights("float16"), None),
        ("mlpackage", weights("6-bit palette"), None),
        ("mlpackage", weights("4-bit palette"), "weights stored as '4-bit palette'"),
        ("mlpackage", weights("sparse"), "weights stored as 'sparse'"),
        ("mlpackage", weights("int8, one scale"), "weights stored as 'int8, one scale'"),
        ("mlpackage", Structure(), None),
        ("onnx", Structure(results={"float16": 9, "float32": 2}), "float16 values"),
        ("pte", products("linear qdint8 × qcint8"), None),
        ("pte", products("linear qdint8 × qcint4"), "products of qdint8 × qcint4"),
        ("pte", products("convolution fp32 × fp32"), None),
        ("pte-coreml", products("linear fp16 × fp16"), None),
        ("pte-coreml", products("linear qdint8 × qcint8"), "products of qdint8 × qcint8"),
    ],
)
def test_a_file_says_in_what_it_is_if_the_matrix_has_no_such_precision(
    target: str, structure: Structure, unlisted: str | None
) -> None:
    assert targets()[target].unlisted_precision(structure) == unlisted
    assert targets()[target].precision_of(Path("file"), structure) in targets()[target].precisions


@pytest.mark.parametrize("name", ["renamed.pte", "renamed.coreml.pte"])
@pytest.mark.parametrize(("file", "target"), [("tiny.pte", "pte"), ("tiny.coreml.pte", "pte-coreml")])
def test_a_program_is_told_by_its_delegate_and_not_by_its_name(
    tiny: Path, tmp_path: Path, file: str, target: str, name: str
) -> None:
    shutil.copyfile(tiny / file, tmp_path / name)
    found = claimed(tmp_path / name, MODEL)
    assert found.case.target == target
    assert found.structure.delegation
    assert claimed(tmp_path / name, MODEL, "fp16").case == Case(MODEL, target, "fp16")


@pytest.mark.parametrize("target", targets())
def test_every_target_has_a_suffix_that_is_claimed(tmp_path: Path, target: str) -> None:
    """There is nothing at the path, which is said last."""
    path = tmp_path / f"model{targets()[target].suffix}"
    with pytest.raises(UsageError, match="There is nothing at"):
        claimed(path, MODEL)
    with pytest.raises(UsageError, match=r"is validated in .*, not in 'int2'"):
        claimed(path, MODEL, "int2")


def test_what_a_user_says_of_a_file_without_a_delegate_is_believed_unread(tmp_path: Path) -> None:
    path = tmp_path / "model.mlpackage"
    path.mkdir()
    for precision in targets()["mlpackage"].precisions:
        assert claimed(path, MODEL, precision).case == Case(MODEL, "mlpackage", precision)
    with pytest.raises(RunError, match=r"model\.mlpackage"):
        claimed(path, MODEL)


@pytest.mark.parametrize("name", ["model.tflite", "model", ".pte"])
def test_a_suffix_that_no_target_has_is_refused_with_those_that_there_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(
        UsageError, match=r"is none of \.onnx, \.pte, \.mlpackage, \.pt2, \.aimodel, \.ort, \.mlmodel, \.mlmodelc\.$"
    ):
        claimed(tmp_path / name, MODEL)


@pytest.mark.parametrize("name", ["model.mlmodel", "model.mlmodelc"])
def test_other_files_of_core_ml_are_told_what_they_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(RunError, match=rf"{name}' (does not exist|has an unreadable|was compiled for Core ML)"):
        claimed(tmp_path / name, MODEL)


def test_an_unknown_model_is_refused(tiny: Path) -> None:
    with pytest.raises(UsageError, match="Unknown model 'PE-Huge'"):
        claimed(tiny / "tiny.onnx", "PE-Huge")


def test_a_program_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "garbage.pte"
    path.write_bytes(b"garbage" * 100)
    with pytest.raises(RunError, match=r"garbage\.pte"):
        claimed(path, MODEL)


@pytest.mark.full
def test_a_plain_export_is_told_that_it_is_right_but_slow_and_what_to_do(tmp_path: Path) -> None:
    with Child(tmp_path / "log") as child:
        child.call(write_plain, 600, tmp_path / "plain.pte")
    result = check(claimed(tmp_path / "plain.pte", MODEL), reference(MODEL))
    (failed,) = (verdict for verdict in result.verdicts if verdict.status != "pass")
    assert re.search(r"\d+ delegate calls and .* Its numbers are the model's \(1[12]\d dB\)", failed.sentence)
    assert "'pe-validate export PE-Nano/pte/fp32 --out DIR' writes the same model as one call" in failed.sentence


CASE = Case(MODEL, "pte", "fp32")
WORST = Comparison(max_abs=1e-6, max_rel=1e-6, snr_db=122.0, cosine=1.0, finite=True)


@pytest.mark.parametrize("failing", [("delegation",), ("identity",), ("identity", "delegation"), ()])
def test_advice_is_given_to_what_fails_for_its_pieces_alone(failing: tuple[str, ...]) -> None:
    verdicts = tuple(
        Verdict(CASE, gate, "fail" if gate in failing else "pass", f"{gate} was judged.", worst=WORST)
        for gate in ("identity", "loss", "delegation")
    )
    advised = _advised(Result(CASE, {}, "", "", (), verdicts=verdicts), "file:mine.pt")
    told = [verdict.gate for verdict in advised.verdicts if "right but slow" in verdict.sentence]
    assert told == (["delegation"] if failing == ("delegation",) else [])
    assert advised.status == ("fail" if failing else "pass")


@pytest.mark.parametrize(("weights", "asked"), [("seed:7", True), ("seed:8", False), ("file:mine.pt", False)])
def test_who_named_no_weights_is_asked_for_them_if_the_file_has_others(weights: str, asked: bool) -> None:
    failed = Verdict(CASE, "identity", "fail", "It is another.", worst=WORST)
    (verdict,) = _advised(Result(CASE, {}, "", "", (), verdicts=(failed,)), weights).verdicts
    assert ("'seed:7', which are random numbers: name those that it was made with" in verdict.sentence) == asked


def test_a_file_that_is_another_model_fails_identity_and_is_no_traceback(tiny: Path) -> None:
    model = reference(MODEL)
    assert model.inputs[0].image.shape == IMAGES[0].image.shape
    result = check(claimed(tiny / "tiny.onnx", MODEL), model, again="again")
    assert (result.status, result.case.target, result.again) == ("fail", ONNX.name, "again")
    identity = result.verdict("identity")
    assert identity
    assert identity.status == "fail"
    assert result.artifact is None
