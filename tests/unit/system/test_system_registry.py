"""Values of other distributions: entered by name, and what is wrong with one is a sentence that names who to blame."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from tiny_artifacts import TinyModel

from pe_validate.models import registry as model_registry
from pe_validate.system.errors import UsageError
from pe_validate.system.registry import registered
from pe_validate.targets import registry as target_registry
from pe_validate.targets.onnx import ONNX

GROUP = "pe_validate.tests"
NUMBER = itertools.count()


@dataclass(frozen=True)
class Thing:
    name: str


OURS = Thing("ours")

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution with one module, and an entry point for something in it, where Python looks for them."""

    def installed(source: str, attribute: str = "VALUE", group: str = GROUP, distribution: str = "theirs") -> str:
        module = f"their_module_{next(NUMBER)}"
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{distribution}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[{group}]\npoint = {module}:{attribute}\n")
        monkeypatch.syspath_prepend(tmp_path)
        return module

    return installed


def found() -> list[str]:
    return list(registered(GROUP, Thing, [OURS]))


IMPORTED = f"from {__name__} import OURS, Thing\n"


def test_without_others_there_is_what_is_built_in() -> None:
    assert found() == ["ours"]


def test_a_value_of_another_distribution_comes_after_those_that_are_built_in(install: Install) -> None:
    install(IMPORTED + "VALUE = Thing('theirs')")
    assert found() == ["ours", "theirs"]


@pytest.mark.parametrize("several", ["[Thing('one'), Thing('two')]", "(Thing(n) for n in ('one', 'two'))"])
def test_an_entry_point_may_name_several(install: Install, several: str) -> None:
    install(IMPORTED + f"VALUE = {several}")
    assert found() == ["ours", "one", "two"]


def test_the_same_value_may_be_registered_twice(install: Install) -> None:
    install(IMPORTED + "VALUE = [OURS, OURS]")
    assert found() == ["ours"]


def test_a_second_value_of_a_name_is_refused_with_who_registers_it(install: Install) -> None:
    module = install(IMPORTED + "VALUE = Thing('ours')")
    with pytest.raises(UsageError) as refusal:
        found()
    assert str(refusal.value) == (
        f"The entry point 'point' of theirs 1.5, {module}:VALUE, registers a second 'ours' in '{GROUP}': rename it, or "
        "uninstall one."
    )


def test_two_distributions_that_take_the_same_name_are_refused(install: Install) -> None:
    install(IMPORTED + "VALUE = Thing('taken')", distribution="first")
    install(IMPORTED + "VALUE = Thing('taken')", distribution="second")
    with pytest.raises(UsageError, match=r"registers a second 'taken'"):
        found()


@pytest.mark.parametrize(
    ("value", "kind"),
    [("5", "int"), ("'ours'", "str"), ("[Thing('one'), 5]", "int"), ("Thing", "type"), ("None", "None")],
)
def test_something_else_than_is_wanted_is_refused_by_its_type(install: Install, value: str, kind: str) -> None:
    module = install(IMPORTED + f"VALUE = {value}")
    with pytest.raises(
        UsageError, match=rf"'point' of theirs 1\.5, {module}:VALUE, is a {kind}.* where a Thing is wanted"
    ):
        found()


@pytest.mark.parametrize(
    ("source", "attribute", "said"),
    [
        ("raise RuntimeError('it is broken')", "VALUE", "RuntimeError: it is broken"),
        ("import no_such_library", "VALUE", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("VALUE = (", "VALUE", "SyntaxError"),
        ("", "VALUE", "AttributeError"),
    ],
    ids=["raises", "lacks a library", "no Python", "names nothing"],
)
def test_a_module_that_cannot_be_loaded_is_one_sentence(
    install: Install, source: str, attribute: str, said: str
) -> None:
    module = install(source, attribute)
    with pytest.raises(UsageError, match=rf"'point' of theirs 1\.5, {module}:{attribute}, cannot be loaded, .*{said}"):
        found()


def test_another_group_is_not_looked_at(install: Install) -> None:
    install("raise RuntimeError('it is broken')", group="pe_validate.others")
    assert found() == ["ours"]


def test_a_model_of_another_distribution_is_a_model_like_any_other(install: Install) -> None:
    known = list(model_registry.models())
    install("from tiny_artifacts import TinyModel\nVALUE = TinyModel()", group=model_registry.GROUP)
    found = model_registry._models.__wrapped__(())
    assert isinstance(found["tiny"], TinyModel)
    assert list(found) == [*known, "tiny"]


THEIR_TARGET = """
from pe_validate.targets.onnx import OnnxTarget

class Theirs(OnnxTarget):
    name = "theirs"

VALUE = Theirs()
"""


def test_a_target_of_another_distribution_is_a_target_like_any_other(install: Install) -> None:
    known = list(target_registry.targets())
    install(THEIR_TARGET, group=target_registry.GROUP)
    found = target_registry.targets.__wrapped__()
    assert found["theirs"].suffix == ONNX.suffix
    assert list(found) == [*known, "theirs"]


@pytest.mark.parametrize("registry", [model_registry, target_registry], ids=["model", "target"])
def test_a_class_in_place_of_its_instance_is_refused(install: Install, registry: object) -> None:
    source = "from tiny_artifacts import TinyModel as VALUE"
    group, read = (
        (model_registry.GROUP, partial(model_registry._models.__wrapped__, ()))
        if registry is model_registry
        else (target_registry.GROUP, target_registry.targets.__wrapped__)
    )
    install(source, group=group)
    with pytest.raises(UsageError, match=r"is a .* where a (Model|Target) is wanted"):
        read()
