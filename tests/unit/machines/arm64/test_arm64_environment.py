"""The arm64 environment is there whole or not at all, from the bytes that were pinned, whoever else makes it."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
import set_up
from debian_mirror import EMULATORS, GUEST, PACKAGES, Mirror

from pe_validate.machines.arm64 import environment
from pe_validate.machines.arm64.environment import Environment, setup
from pe_validate.machines.arm64.profiles import PROFILES
from pe_validate.system.errors import SetupError
from pe_validate.system.pip import CONSTRAINT

pytestmark = pytest.mark.skipif(
    not (sys.platform == "linux" and platform.machine() == "x86_64"), reason="emulated on Linux on x86-64 alone"
)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as started:
        yield started


@pytest.fixture
def lists(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small packages in place of the real ones, and no wheels."""
    found = mirror.lists(tmp_path)
    wheels = tmp_path / "wheels.txt"
    wheels.touch()
    monkeypatch.setattr(environment, "PACKAGES", found)
    monkeypatch.setattr(environment, "WHEELS", wheels)
    monkeypatch.setenv(environment.MIRROR, mirror.address)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return found


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def make(lists: Path, cache: Path) -> Callable[..., Environment]:
    return lambda profile="iphone-14", tell=lambda stage: None: setup(PROFILES[profile], cache, tell)


def parts(cache: Path) -> list[str]:
    """Names of what is in the cache, without digests, hidden ones too."""
    return sorted(path.name.rsplit("-", 1)[0] for path in (cache / "arm64").iterdir() if path.name != "lock")


def test_unpacks_guest_and_emulator_and_compiles_the_counter(make: Callable[..., Environment], cache: Path) -> None:
    made = make()
    assert parts(cache) == ["counter", "emulator", "guest"]
    assert Path(made.interpreter[-1]).read_text() == "python"
    assert made.emulator == "QEMU 7.2"
    assert not list(cache.rglob("qemu-m68k"))
    command = made.command(cache / "counts")
    assert any(word.endswith(f"counter.so,out={cache}/counts") for word in command)


def test_a_second_time_nothing_is_asked_of_the_mirror(make: Callable[..., Environment], mirror: Mirror) -> None:
    first = make()
    asked = list(mirror.asked)
    assert make() == first
    assert mirror.asked == asked


def test_another_profile_makes_only_what_is_not_there(make: Callable[..., Environment], mirror: Mirror) -> None:
    make("iphone-14")
    mirror.asked.clear()
    make("iphone-11")
    make("iphone-16")
    assert mirror.asked == [EMULATORS["emulator-sme"]]


@pytest.mark.parametrize("path", [*GUEST, EMULATORS["emulator"]])
def test_a_download_that_is_not_what_was_pinned_is_refused(
    path: str, make: Callable[..., Environment], mirror: Mirror, cache: Path
) -> None:
    mirror.content[path] = PACKAGES[path][:-1] + b"!"
    with pytest.raises(SetupError, match=rf"'{Path(path).name.replace('+', '.')}' cannot be downloaded: .*hash"):
        make()
    assert "emulator" not in parts(cache)
    mirror.content[path] = PACKAGES[path]
    make()


def test_a_package_that_the_mirror_lacks_is_named(make: Callable[..., Environment], mirror: Mirror) -> None:
    del mirror.content[GUEST[1]]
    with pytest.raises(SetupError, match=r"'python_1_arm64.deb' cannot be downloaded: .*404.*snapshot of Debian"):
        make()


def test_a_mirror_that_does_not_answer_is_one_sentence(
    make: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environment.MIRROR, "http://127.0.0.1:9/debian")
    with pytest.raises(SetupError, match=r"'libone_1_arm64.deb' cannot be downloaded"):
        make()


def test_without_a_mirror_the_variable_is_named(
    make: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(environment.MIRROR)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=environment.MIRROR):
        make()


def test_wheels_that_cannot_be_had_are_named(make: Callable[..., Environment], cache: Path) -> None:
    environment.WHEELS.write_text(f"no-such-wheel==1 --hash=sha256:{0:064}\n")
    with pytest.raises(SetupError, match="no-such-wheel==1"):
        make()
    assert parts(cache) == ["downloads"]


def test_versions_that_bind_this_project_do_not_bind_the_guest(
    make: Callable[..., Environment], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ZipFile(tmp_path / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(Path(wheel.filename or "").read_bytes()).hexdigest()
    environment.WHEELS.write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    (tmp_path / "lock").write_text("tiny==2.0\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv(CONSTRAINT, str(tmp_path / "lock"))
    make()
    assert list(cache.glob("arm64/guest-*/site/tiny.py"))


def test_without_a_compiler_it_says_what_to_install(
    make: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="install gcc or clang"):
        make()
    make("iphone-16")  # which needs none


def test_a_compiler_that_fails_without_a_word_is_one_sentence(
    make: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cc").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "bin" / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(SetupError, match="it ended with exit code 3"):
        make()


def test_a_folder_that_cannot_be_written_is_one_sentence(make: Callable[..., Environment], cache: Path) -> None:
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file")
    with pytest.raises(SetupError, match="cannot be made"):
        make()


def start(lists: Path, cache: Path) -> subprocess.Popen[str]:
    script = Path(set_up.__file__)
    command = [sys.executable, str(script), str(lists), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": ""})


def test_two_callers_at_once_download_once_and_both_have_it(lists: Path, cache: Path, mirror: Mirror) -> None:
    callers = [start(lists, cache) for _ in range(2)]
    said = [caller.communicate(timeout=120)[0] for caller in callers]
    assert [caller.returncode for caller in callers] == [0, 0]
    assert sorted(mirror.asked) == sorted([*GUEST, EMULATORS["emulator"]])
    assert sum("making guest" in each for each in said) == 1


def test_one_that_waits_for_another_says_so(lists: Path, cache: Path, mirror: Mirror) -> None:
    mirror.stalls.add(EMULATORS["emulator"])
    first = start(lists, cache)
    assert mirror.asked_for_stalled.wait(60)
    second = start(lists, cache)
    assert second.stdout
    assert "waiting for another process" in second.stdout.readline()
    first.kill()
    mirror.stalls.clear()
    second.communicate(timeout=60)
    first.communicate()
    assert second.returncode == 0


@pytest.mark.parametrize("stalled", [GUEST[1], EMULATORS["emulator"]])
def test_what_a_killed_caller_had_made_is_kept_and_what_it_had_begun_is_not(
    stalled: str, lists: Path, make: Callable[..., Environment], cache: Path, mirror: Mirror
) -> None:
    mirror.stalls.add(stalled)
    caller = start(lists, cache)
    assert mirror.asked_for_stalled.wait(60)
    caller.send_signal(signal.SIGKILL)
    caller.communicate()
    mirror.stalls.clear()
    before = [path for path in mirror.asked if path != stalled]
    made = make()
    assert [mirror.asked.count(path) for path in before] == [1] * len(before)
    assert parts(cache) == ["counter", "emulator", "guest"]
    assert Path(made.interpreter[-1]).exists()


def test_an_environment_can_be_moved(make: Callable[..., Environment], cache: Path, mirror: Mirror) -> None:
    make()
    asked = list(mirror.asked)
    moved = cache.with_name("moved")
    shutil.move(cache, moved)
    found = setup(PROFILES["iphone-14"], moved)
    assert Path(found.interpreter[-1]).is_relative_to(moved)
    assert mirror.asked == asked


def test_a_machine_that_is_arm64_needs_no_emulator(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert setup(PROFILES["iphone-14"], cache) == Environment((sys.executable,), None)
    assert not cache.exists()


def test_a_machine_that_can_neither_run_nor_emulate_it_is_told_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SetupError, match="riscv64"):
        setup(PROFILES["iphone-14"], cache)
