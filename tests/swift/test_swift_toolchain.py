"""The folder that a toolchain lives in: there whole or not at all, and never with something mounted into it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import swift_toolchain
from swift_package import PACKAGE, Swift
from swift_toolchain import Toolchain, main, toolchain

from pe_validate.machines.arm64.environment import MIRROR
from pe_validate.system.errors import SetupError


@pytest.fixture
def without_swift(monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "swift" else which(name))


@pytest.mark.usefixtures("without_swift")
def test_a_download_that_fails_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(MIRROR, f"file://{tmp_path}/nowhere/debian")
    monkeypatch.setenv("PE_VALIDATE_CACHE", str(tmp_path))
    assert main() == 3
    assert capsys.readouterr().err.startswith("swift_toolchain: debootstrap failed: ")
    assert [path.name for path in (tmp_path / "swift").iterdir()] == ["lock"]


@pytest.mark.parametrize(("version", "wanted"), [("6.1.2", True), ("5.10", False)])
def test_a_swift_on_path_is_taken_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, wanted: bool
) -> None:
    program = tmp_path / "swift"
    program.write_text(f'#!/bin/sh\necho "Swift version {version} ($*)"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(swift_toolchain, "HEADERS", [program])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if wanted:
        assert toolchain(tmp_path) == Toolchain(None, version)
        assert toolchain(tmp_path).run(["swift", "a"], tmp_path, {}).stdout == f"Swift version {version} (a)\n"
    else:
        with pytest.raises(SetupError, match="needs root"):
            toolchain(tmp_path)


@pytest.mark.usefixtures("without_swift")
def test_another_user_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match="needs root; as another user, put Swift 6 or newer on PATH and install"):
        toolchain(tmp_path)


def test_what_a_killed_attempt_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".room-1-abandoned/usr").mkdir(parents=True)
    monkeypatch.setattr(swift_toolchain, "_debootstrap", lambda scratch: (["false"], dict(os.environ)))
    monkeypatch.setenv(MIRROR, "file:///nowhere/debian")
    with pytest.raises(SetupError, match="debootstrap failed: it gives no reason"):
        swift_toolchain._make(tmp_path / "room-1", lambda line: None)
    assert list(tmp_path.iterdir()) == []


NAP = ("sleep", "86399")


def _sleep(made: Toolchain) -> None:
    made.run(NAP, PACKAGE, {})


def test_a_killed_process_leaves_no_mount_and_no_process(swift: Swift) -> None:
    if swift.toolchain.room is None:
        pytest.skip("the Swift on PATH is entered by nothing")
    child = multiprocessing.get_context("fork").Process(target=_sleep, args=(swift.toolchain,))
    child.start()
    _wait(lambda: _napping() == {str(swift.toolchain.room)})
    child.kill()
    child.join(30)
    _wait(lambda: not _napping())
    assert str(swift.toolchain.room) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _napping() -> set[str]:
    """Root folders of the processes that execute :data:`NAP`."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().split(b"\0")[:-1] == [word.encode() for word in NAP]:
                found.add(os.readlink(process / "root"))
        except OSError:  # it has ended
            continue
    return found
