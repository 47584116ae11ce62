"""The table of toolchains, and what reads it: names, requirements, tox, the workflow, the document."""

from __future__ import annotations

import platform
import re
import runpy
import shutil
import sys
import tomllib
from configparser import ConfigParser
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT

from pe_validate.system.errors import UsageError
from pe_validate.toolchains.requirements import installed, requirements
from pe_validate.toolchains.table import DEFAULT, Toolchain, here, table, toolchain_named

SCRIPT: Final[dict[str, Any]] = runpy.run_path(str(ROOT / "tests" / "toolchain.py"))
DOCUMENT: Final = (ROOT / "docs" / "toolchains.md").read_text(encoding="utf-8")
PLACES: Final = {"linux-x86_64", "linux-x86_64-cuda", "linux-aarch64", "macos-arm64"}
RUNNER: Final = "linux-x86_64"


def environments() -> set[str]:
    """The toolchains that tox has an environment for."""
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    (section,) = (name for name in tox.sections() if name.startswith("testenv:toolchain-"))
    (names,) = re.findall(r"toolchain-\{(.*)\}", section)
    return set(names.split(","))


def test_tox_has_an_environment_for_each_toolchain() -> None:
    assert environments() == set(table())


def test_the_workflow_takes_its_matrix_from_the_table() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert f"python tests/toolchain.py places {RUNNER}" in workflow
    assert "tox -e toolchain-${{ matrix.name }}" in workflow
    assert not [name for name in table() if name in workflow]


def test_the_document_has_the_table() -> None:
    assert dict(SCRIPT["parts"](DOCUMENT))["pairs"] == SCRIPT["pairs"](table().values()), (
        "renew it with 'python tests/toolchain.py docs'"
    )


def test_the_document_says_what_was_judged_of_each_toolchain_that_a_runner_has() -> None:
    judged = {name: text for name, text in SCRIPT["parts"](DOCUMENT) if name in table()}
    assert set(judged) == {name for name, toolchain in table().items() if RUNNER in toolchain.where}
    assert [name for name, text in judged.items() if "cases pass" not in text] == []


def test_a_part_of_the_document_is_replaced_alone() -> None:
    text = "<!-- a -->\nold\n<!-- end -->\n\n<!-- b -->\nkept\n<!-- end -->\n"
    assert dict(SCRIPT["parts"](SCRIPT["with_part"](text, "a", "new \\1"))) == {"a": "new \\1", "b": "kept"}
    with pytest.raises(SystemExit, match="no part 'c'"):
        SCRIPT["with_part"](text, "c", "new")


def test_a_runner_judges_what_it_has_and_no_other_check_does() -> None:
    assert SCRIPT["places"](RUNNER) == [
        name for name, found in table().items() if RUNNER in found.where and name != DEFAULT
    ]


def test_places_are_known_ones() -> None:
    assert {place for toolchain in table().values() for place in toolchain.where} <= PLACES


def test_the_default_toolchain_is_the_first_and_that_of_the_lock_file() -> None:
    assert next(iter(table())) == DEFAULT
    locked = SCRIPT["locked"]()
    assert {name: locked[name] for name in table()[DEFAULT].versions} == table()[DEFAULT].versions


def test_every_toolchain_has_the_packages_whose_versions_decide_what_is_made() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    tools = {Requirement(line).name for part in ("onnx", "executorch", "coreml", "coreai") for line in extras[part]}
    assert [name for name, found in table().items() if set(found.versions) != (tools - {"protobuf"}) | {"torch"}] == []


@pytest.mark.parametrize("name", table())
def test_requirements_name_each_package_once(name: str) -> None:
    asked = requirements(table()[name], installed())
    names = [canonicalize_name(Requirement(line).name) for line in asked]
    assert sorted(names) == sorted(set(names))
    assert {"numpy", "pydantic", "torch", "executorch", "onnx", "coremltools"} <= set(names)
    assert f"executorch=={table()[name].versions['executorch']}" in asked


def test_a_list_of_requirements_takes_the_parts_of_which_it_names_a_package() -> None:
    asked = requirements(toolchain_named("executorch==1.5.1"), {"torch": "2.13.0"})
    names = {canonicalize_name(Requirement(line).name) for line in asked}
    assert {"torch==2.13.0", "executorch==1.5.1"} <= set(asked)
    assert "torchao" in names
    assert not names & {"onnx", "onnxruntime", "coreai-core", "arpy"}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("torch==2.13.0", ("torch==2.13.0",)),
        ("torch==2.13.0, executorch==1.5.1", ("torch==2.13.0", "executorch==1.5.1")),
        ("torch>=2.13,<2.14,executorch==1.5.1", ("torch>=2.13,<2.14", "executorch==1.5.1")),
        ("torch,executorch", ("torch", "executorch")),
    ],
)
def test_requirements_are_written_with_commas_between(words: str, found: tuple[str, ...]) -> None:
    assert toolchain_named(words) == Toolchain(words, found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("executorch-1.6", "There is no toolchain 'executorch-1.6': choose one of executorch-1.4"),
        ("", "There is no toolchain ''"),
        ("torch==", "'torch==' in 'torch==' is no requirement"),
        ("torch==2.13.0,,onnx", "'' in 'torch==2.13.0,,onnx' is no requirement"),
        ("<2.14", "'<2.14' in '<2.14' is no requirement"),
    ],
)
def test_other_words_are_refused_in_a_sentence(words: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        toolchain_named(words)


def test_a_machine_with_such_a_gpu_is_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert here() == {"linux-x86_64"}
    with pytest.raises(UsageError, match=r"'torch-2\.14-cuda' is for linux-x86_64-cuda, and this is linux-x86_64"):
        table()["torch-2.14-cuda"].check_place()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    table()["torch-2.14-cuda"].check_place()
    table()[DEFAULT].check_place()
