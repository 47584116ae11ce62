"""The matrix of cases, and how patterns choose from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe_validate.case import MATRIX, RECOMMENDED, Case, default_cases, select
from pe_validate.inputs.feed import ImageFeed
from pe_validate.models.perception_encoder.text.config import TEXT_CONFIGS
from pe_validate.models.perception_encoder.vision.config import MODELS
from pe_validate.models.perception_encoder.vision.model import VisionModel
from pe_validate.models.registry import model_named
from pe_validate.system.errors import UsageError
from pe_validate.targets.registry import file_name, targets

PRECISIONS = {name: tuple(target.precisions) for name, target in targets().items()}

prefixes = st.sampled_from(MATRIX).flatmap(lambda case: st.integers(1, len(str(case))).map(lambda n: str(case)[:n]))
"""The beginning of a case's name, of one character at least."""


def test_the_matrix_has_every_model_on_every_target_in_every_precision() -> None:
    wanted = {
        (model, target, p)
        for model in (*MODELS, *TEXT_CONFIGS)
        for target, precisions in PRECISIONS.items()
        for p in precisions
    }
    assert {(case.model, case.target, case.precision) for case in MATRIX} == wanted


@pytest.mark.parametrize("identity", [str, hash, file_name], ids=["name", "hash", "file name"])
def test_no_two_cases_share(identity: Callable[[Case], object]) -> None:
    assert len({identity(case) for case in MATRIX}) == len(MATRIX)


def test_the_name_of_a_model_selects_that_model_alone() -> None:
    assert {case.model for case in select(["PE-Core-T16-384"])} == {"PE-Core-T16-384"}
    assert {case.model for case in select(["PE-Core-T16"])} == {"PE-Core-T16-384", "PE-Core-T16-384-text"}
    assert {case.model for case in select(["*-text"])} == set(TEXT_CONFIGS)


@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_the_name_of_a_case_selects_that_case_alone(case: Case) -> None:
    assert select([str(case)]) == (case,)


@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_a_file_name_says_model_precision_and_target(case: Case) -> None:
    assert file_name(case) == f"{case.model}-{case.precision}{targets()[case.target].suffix}"
    assert Path(file_name(case)).suffix in (".onnx", ".pte", ".mlpackage", ".pt2", ".aimodel")
    assert "/" not in file_name(case)


@pytest.mark.parametrize("case", [case for case in MATRIX if case.model in MODELS], ids=str)
def test_a_case_knows_the_configuration_of_its_model(case: Case) -> None:
    model, config = model_named(case.model), MODELS[case.model]
    assert isinstance(model, VisionModel)
    assert model.config is config
    assert (model.input.shape, model.output.shape) == (config.input_shape, config.output_shape)
    assert (model.feed, model.macs) == (ImageFeed(config.image_size), config.macs)


def test_the_recommended_deployment_is_on_every_target_and_quantised_where_that_pays() -> None:
    deployed = {name for name, target in targets().items() if target.on_phones or target.timed}
    assert deployed == set(PRECISIONS) - {"pt2"}
    assert {case.target for case in default_cases()} == deployed - {"coreai"}  # only who has its wheels asks for it
    assert Case(RECOMMENDED, "pte", "int8") in default_cases()
    assert {case.model for case in default_cases()} == {RECOMMENDED}


def test_a_whole_name_is_not_the_beginning_of_another() -> None:
    assert [case.precision for case in select(["PE-Nano/pte/int8"])] == ["int8"]
    assert [case.precision for case in select(["PE-Nano/pte/int"])] == ["int8", "int8-static", "int4"]
    assert {case.target for case in select(["PE-Nano/pte"])} == {case.target for case in select(["*/pte"])} == {"pte"}
    assert {case.target for case in select(["PE-Nano/pt"])} == {"pte", "pte-coreml", "pt2"}


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("PE", lambda case: True),
        ("*", lambda case: True),
        ("PE-Spatial", lambda case: case.model.startswith("PE-Spatial")),
        ("PE-Core-T16-384/pte", lambda case: (case.model, case.target) == ("PE-Core-T16-384", "pte")),
        ("*/onnx", lambda case: case.target == "onnx"),
        ("*/fp16", lambda case: case.precision == "fp16"),
        ("PE-*-[TS]16", lambda case: "-T16-" in case.model or "-S16-" in case.model),
    ],
)
def test_a_pattern_is_the_beginning_of_a_name_with_shell_wildcards(
    pattern: str, chosen: Callable[[Case], bool]
) -> None:
    assert select([pattern]) == tuple(case for case in MATRIX if chosen(case))


@settings(max_examples=50)
@given(st.lists(prefixes, min_size=1, max_size=4))
def test_several_patterns_choose_their_union_once_each_in_matrix_order(patterns: list[str]) -> None:
    names = {case: {str(case), f"{case.model}/{case.target}", case.model} for case in MATRIX}
    begun = tuple(set(patterns) - set().union(*names.values()))
    chosen = [case for case in MATRIX if names[case] & set(patterns) or str(case).startswith(begun)]
    assert select(patterns) == tuple(chosen)


def test_no_pattern_chooses_nothing() -> None:
    assert select([]) == ()


@pytest.mark.parametrize(
    "pattern", ["", "nope", "pe-core", "PE-Core-S16-384/pte/int3", "/pte", " PE", "PE-Core-S16-384/pte/fp32/"]
)
@pytest.mark.parametrize("beside", [[], ["PE-Core-T16-384"]], ids=["alone", "beside a good one"])
def test_a_pattern_that_matches_nothing_is_named_with_the_choices(pattern: str, beside: list[str]) -> None:
    with pytest.raises(UsageError) as refusal:
        select([*beside, pattern])
    message = str(refusal.value)
    assert message.startswith(f"No case matches '{pattern}'")
    assert all(choice in message for choice in (*MODELS, *PRECISIONS)), message


def test_a_known_model_has_its_published_configuration() -> None:
    assert model_named("PE-Core-S16-384").input.shape == (1, 3, 384, 384)


@pytest.mark.parametrize("name", ["", "PE-Core-S16", "pe-core-s16-384", "PE-Core-S16-384/pte"])
def test_an_unknown_model_is_named_with_the_choices(name: str) -> None:
    with pytest.raises(UsageError, match=f"Unknown model '{name}'") as refusal:
        model_named(name)
    assert all(choice in str(refusal.value) for choice in MODELS)
