"""Environments of toolchains: complete or absent, and with this very pe_validate."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import pe_validate
from pe_validate.system.errors import SetupError, UsageError
from pe_validate.toolchains import environment as environments
from pe_validate.toolchains.environment import FOLDER, environment
from pe_validate.toolchains.table import Toolchain

NOTHING = Toolchain("nothing", ("packaging>=24",))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Interpreters for which something would have been installed."""
    found: list[Path] = []

    def install(requirements: Sequence[str], python: Path, failing: str) -> None:
        assert python.exists()
        found.append(python)

    monkeypatch.setattr(environments, "install", install)
    return found


def made(cache: Path) -> list[str]:
    return [path.name for path in (cache / FOLDER).iterdir() if path.is_dir()]


def test_an_environment_is_made_once(tmp_path: Path, asked: list[Path]) -> None:
    with environment(NOTHING, tmp_path) as first, environment(NOTHING, tmp_path) as second:
        assert first.python == second.python
        assert first.python.exists()
    assert len(asked) == len(made(tmp_path)) == 1
    with environment(Toolchain("other", ("packaging>=25",)), tmp_path):
        assert len(made(tmp_path)) == 2


def test_an_install_that_was_killed_is_not_taken_for_a_finished_one(
    tmp_path: Path, asked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environments, "install", killed)
        with pytest.raises(KeyboardInterrupt), environment(NOTHING, tmp_path):
            pass
    assert made(tmp_path) == []
    key = next((tmp_path / FOLDER).glob("*.lock")).stem
    left = tmp_path / FOLDER / f".{key}-left"  # as SIGKILL leaves it
    (left / "bin").mkdir(parents=True)
    with environment(NOTHING, tmp_path) as found:
        assert found.python.exists()
    assert made(tmp_path) == [key]


def test_what_pip_refuses_is_a_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    impossible = Toolchain("executorch==99", ("executorch==99",))
    with pytest.raises(SetupError) as raised, environment(impossible, tmp_path):
        pass
    assert re.fullmatch(
        r"The toolchain 'executorch==99' cannot be installed by pip of \S+: Could not find a version that satisfies "
        r"the requirement executorch==99\.",
        str(raised.value),
    )
    assert made(tmp_path) == []


def test_a_place_that_cannot_have_it_is_asked_nothing(tmp_path: Path, asked: list[Path]) -> None:
    with (
        pytest.raises(UsageError, match="'far' is for nowhere-z80, and this is"),
        environment(Toolchain("far", (), ("nowhere-z80",)), tmp_path),
    ):
        pass
    assert not asked
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_a_sentence(tmp_path: Path, asked: list[Path]) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    with pytest.raises(SetupError, match="The environment of 'nothing' in"), environment(NOTHING, tmp_path):
        pass


def test_its_python_has_this_pe_validate_and_nothing_that_is_installed_here(
    tmp_path: Path, asked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    script = """
import importlib.util, pathlib
from importlib.metadata import version
import pe_validate
from pe_validate.system.files import shipped
print(pathlib.Path(pe_validate.__file__).resolve())
print(version("pe-validate"), shipped("fixtures").is_dir(), shipped("golden").is_dir())
print(importlib.util.find_spec("torch"), importlib.util.find_spec("pydantic"))
"""
    with environment(NOTHING, tmp_path) as found:
        command = [str(found.python), "-c", script]
        done = subprocess.run(command, env=dict(found.variables), capture_output=True, text=True, check=True)
    module, data, others = done.stdout.splitlines()
    assert module == str(Path(pe_validate.__file__).resolve())
    assert data.endswith(" True True")
    assert others == "None None"
    assert found.versions == {}
