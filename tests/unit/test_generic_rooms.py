"""Rooms that any model passes through name nothing that only some models have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import pe_validate

PACKAGE: Final = Path(pe_validate.__file__).parent
FAMILIES: Final = ("models/perception_encoder", "mil")
"""Where a family of models is at home, and where operators have the names that Core ML gives them."""

PARTICULAR: Final = re.compile(r"rope|rotary|patch(es|ify)?|pool(ing|ed)?", re.IGNORECASE)

OTHERS: Final = {
    "system/threads.py": {"ThreadPoolExecutor", "pool"},
    "targets/coreml/routes.py": {"patch"},
}
"""A pool of threads, and what is put in the place of a library's attribute."""

SOURCES: Final = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if not path.relative_to(PACKAGE).as_posix().startswith(tuple(f"{room}/" for room in FAMILIES))
)


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Every name that a module gives to something or calls something by."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.keyword(arg=str(name)) | ast.alias(asname=str(name)) | ast.alias(name=name):
                yield name
            case _:
                pass


def particular(name: str) -> bool:
    """Whether a word of ``name`` is one of a family's: ``patch_size`` and ``AttentionPool``, not ``property``."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return any(PARTICULAR.fullmatch(word) for word in words)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *((name, True) for name in ("patch_size", "ROPE_THETA", "AttentionPool", "pooled", "rope_angles", "n_patches")),
        *((name, False) for name in ("property", "dispatch", "europe", "spool", "ThreadedCall", "size")),
    ],
)
def test_words_are_told_apart(name: str, found: bool) -> None:
    assert particular(name) == found


def test_every_generic_room_is_read() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0] for path in SOURCES}
    assert rooms >= {
        *("data", "system", "inputs", "targets", "machines", "gates", "reference", "walk", "tasks", "explain"),
        *("goldens", "measure", "report", "cli", "testing", "models", "case.py"),
    }
    assert {path.name for path in SOURCES if path.parent == PACKAGE / "models"} >= {
        *("base.py", "registry.py", "weights.py")
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_generic_room_names_nothing_of_one_family(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {name for name in identifiers(tree) if particular(name)}
    assert found == OTHERS.get(path.relative_to(PACKAGE).as_posix(), set())
