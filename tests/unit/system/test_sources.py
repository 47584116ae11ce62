"""The identity of code is that of its sources: of a module, or of a whole package, and of nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest

from pe_validate.system.sources import code_digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package ``theirs`` that cannot be imported: its sources are read, and not run."""
    folder = tmp_path / "theirs"
    (folder / "inner").mkdir(parents=True)
    for name in ("__init__.py", "one.py", "two.py", "inner/__init__.py", "inner/three.py"):
        (folder / name).write_text(f"# {name}\n")
    (folder / "one.py").write_text("raise RuntimeError('it was imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for module in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[module]


def digest(*modules: str) -> str:
    code_digest.cache_clear()
    return code_digest(modules)


def test_a_module_is_its_source(package: Path) -> None:
    before = digest("theirs.one"), digest("theirs.two")
    assert len(set(before)) == 2
    (package / "one.py").write_text("raise RuntimeError('and changed')\n")
    assert digest("theirs.one") != before[0]
    assert digest("theirs.two") == before[1]


@pytest.mark.parametrize("changed", ["__init__.py", "one.py", "inner/three.py"])
def test_a_package_is_everything_in_it(package: Path, changed: str) -> None:
    before = digest("theirs")
    with (package / changed).open("a") as source:
        source.write("#")
    assert digest("theirs") != before


def test_a_file_that_is_added_to_a_package_counts(package: Path) -> None:
    before = digest("theirs")
    (package / "inner" / "four.py").write_text("FOUR = 4\n")
    assert digest("theirs") != before


def test_what_is_no_source_does_not_count(package: Path) -> None:
    before = digest("theirs")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "one.cpython-311.pyc").write_bytes(b"compiled")
    (package / "notes.txt").write_text("notes")
    assert digest("theirs") == before


def test_neither_order_nor_repetition_counts(package: Path) -> None:
    assert digest("theirs.one", "theirs.two") == digest("theirs.two", "theirs.one", "theirs.one")
    assert digest("theirs", "theirs.one") == digest("theirs")
    assert digest("theirs.one") != digest("theirs.one", "theirs.two")


def test_code_that_is_moved_keeps_its_identity(package: Path) -> None:
    before = digest("theirs.two")
    (package / "two.py").rename(package / "moved.py")
    invalidate_caches()
    assert digest("theirs.moved") == before


def test_nothing_is_imported_but_the_packages_around_it(package: Path) -> None:
    digest("theirs.one", "theirs.inner.three")
    assert not {"theirs.one", "theirs.inner.three"} & sys.modules.keys()


@pytest.mark.parametrize("module", ["no_such_module", "theirs.no_such_module", "sys"])
def test_a_module_without_a_source_is_an_error(package: Path, module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="No source of module"):
        digest(module)


def test_the_projects_own_modules_are_found() -> None:
    assert digest("pe_validate.targets.onnx") != digest("pe_validate.targets.onnx.write")
