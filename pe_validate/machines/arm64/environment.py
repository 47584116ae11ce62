"""The arm64 environment: an emulator, a CPython and its libraries, unpacked into a cache folder.

Every part is a folder named by a digest of what goes into it, made once, under a lock and a temporary name. Nothing
outside the cache is written, and the machine's own libraries are not used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import arpy
import pooch

from pe_validate.inputs.cache import default_cache_dir, exclusive
from pe_validate.machines.arm64.profiles import Profile
from pe_validate.system.errors import SetupError
from pe_validate.system.pip import pip

_HERE: Final = Path(__file__).parent
PACKAGES: Final = _HERE / "packages.toml"
WHEELS: Final = _HERE / "wheels.txt"
COUNTER: Final = _HERE / "counter.c"

COUNTS: Final = "{counts}"
"""Placeholder in a command for the file that the counting plugin writes."""

MIRROR: Final = "PE_VALIDATE_DEBIAN_MIRROR"
"""Environment variable with the Debian mirror to download from; it overrides the one that apt uses."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Environment:
    """An arm64 interpreter for one profile, and the environment of its process."""

    interpreter: tuple[str, ...]
    path: str | None
    """PYTHONPATH; None if the interpreter is this one."""
    home: str | None = None
    emulator: str = "no emulator"

    def command(self, counts: Path) -> tuple[str, ...]:
        """Return the command that starts the interpreter and writes counted instructions to ``counts``."""
        return tuple(word.replace(COUNTS, str(counts)) for word in self.interpreter)


def native() -> bool:
    """Return whether this machine is itself an arm64 one, so that nothing has to be emulated."""
    return platform.machine() in ("aarch64", "arm64")


def setup(profile: Profile, cache_dir: Path | None = None, progress: Progress = lambda _: None) -> Environment:
    """Prepare the environment of ``profile``; quick if that was done before.

    Raises:
        SetupError: this machine cannot emulate arm64, a tool is missing, or a download failed or has another digest.
    """
    if native():
        return Environment((sys.executable,), None)
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise SetupError(f"arm64 is emulated on Linux on x86-64, and this is {sys.platform} on {platform.machine()}.")
    folder = (cache_dir or default_cache_dir()) / "arm64"
    packages: dict[str, dict[str, str]] = tomllib.loads(PACKAGES.read_text(encoding="utf-8"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / "lock", lambda: progress("waiting for another process that makes the environment")):
            for left in folder.glob(".*-*"):  # left by a process that was killed
                shutil.rmtree(left)
            parts = _Parts(folder, progress)
            guest = parts.make(
                "guest", f"{packages['guest']}{WHEELS.read_text()}", lambda to: parts.guest(packages, to)
            )
            emulator = parts.make(
                profile.emulator,
                str(packages[profile.emulator]),
                lambda to: parts.debian(packages[profile.emulator], to),
            )
            command = [str(emulator / "usr/bin/qemu-aarch64"), "-L", str(guest), "-cpu", profile.cpu]
            if profile.counts:
                counter = parts.make("counter", COUNTER.read_text(encoding="utf-8"), _compile) / "counter.so"
                libraries = ":".join(str(emulator / place / "x86_64-linux-gnu") for place in ("lib", "usr/lib"))
                loader = emulator / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
                command = [str(loader), "--library-path", libraries, *command]
                command += ["-plugin", f"{counter},out={COUNTS}"]
            shutil.rmtree(folder / "downloads", ignore_errors=True)  # everything has been unpacked
    except OSError as error:
        raise SetupError(f"The arm64 environment in '{folder}' cannot be made: {error}.") from error
    return Environment(
        (*command, str(guest / "usr/bin/python3.11")),
        str(guest / "site"),
        str(guest / "usr"),
        emulator=_version(packages[profile.emulator]),
    )


def _version(packages: Mapping[str, str]) -> str:
    name = next(Path(path).name for path in packages if "/qemu-user_" in path)
    return f"QEMU {name.split('_')[1].split('+')[0]}"


class _Parts:
    """The parts of the environment: folders of the cache, each complete or absent."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder, self._progress = folder, progress

    def make(self, name: str, content: str, fill: Callable[[Path], None]) -> Path:
        made = self._folder / f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        if made.exists():
            return made
        self._progress(f"making {name}")
        temporary = Path(tempfile.mkdtemp(dir=self._folder, prefix=f".{name}-"))
        try:
            temporary.chmod(0o755)
            fill(temporary)
            temporary.rename(made)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return made

    def guest(self, packages: Mapping[str, Mapping[str, str]], to: Path) -> None:
        self.debian(packages["guest"], to)
        self._progress("downloading torch and executorch for arm64, 160 MB")
        wanted = ["--target", str(to / "site"), "--requirement", str(WHEELS)]
        wanted += ["--platform", "manylinux_2_28_aarch64", "--implementation", "cp", "--python-version", "3.11"]
        wanted += [] if sys.version_info[:2] == (3, 11) else ["--no-compile"]  # bytecode is for this Python's version
        pip("install", *wanted, failing=f"The wheels in '{WHEELS.name}' cannot be installed")

    def debian(self, packages: Mapping[str, str], to: Path) -> None:
        for path, sha256 in packages.items():
            _unpack(self._download(path, sha256), to)

    def _download(self, path: str, sha256: str) -> Path:
        name = Path(path).name
        self._progress(f"downloading {name}")
        pooch.get_logger().setLevel(logging.ERROR)  # it logs every download by itself
        try:
            url = f"{mirror().rstrip('/')}/{path}"
            return Path(pooch.retrieve(url, f"sha256:{sha256}", name, self._folder / "downloads"))
        except (ValueError, OSError) as error:  # another digest, no connection, no such file
            reason = " ".join(str(error).split())
            if re.search(r"\b404\b", reason):
                reason += f"; a snapshot of Debian's archive keeps it, name one in ${MIRROR}"
            raise SetupError(f"'{name}' cannot be downloaded: {reason}.") from error


def mirror() -> str:
    """Return the Debian mirror to download from: $PE_VALIDATE_DEBIAN_MIRROR, else the one that apt uses.

    Raises:
        SetupError: neither names one.
    """
    if named := os.environ.get(MIRROR):
        return named
    if shutil.which("apt-get"):
        command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages"]
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        for address in found:
            if address.rstrip("/").endswith("/debian"):
                return address
    raise SetupError(f"apt knows no Debian mirror here; name one in ${MIRROR}, an address that ends in '/debian'.")


def _unpack(package: Path, to: Path) -> None:
    """Unpack the files of a Debian package, an ``ar`` archive with a ``data.tar`` inside."""
    with arpy.Archive(str(package)) as archive:
        archive.read_all_headers()
        name = next(name for name in archive.archived_files if name.startswith(b"data.tar"))
        with tarfile.open(fileobj=archive.archived_files[name]) as files:
            files.extractall(to, filter=_only_arm64_emulator)


def _only_arm64_emulator(member: tarfile.TarInfo, to: str) -> tarfile.TarInfo | None:
    """Leave out the emulators of other architectures; a tar extraction filter."""
    name = Path(member.name).name
    return None if name.startswith("qemu-") and name != "qemu-aarch64" else tarfile.tar_filter(member, to)


def _compile(to: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise SetupError(
            "Instructions are counted by a few lines of C, and there is no compiler: install gcc or clang."
        )
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(to / "counter.so"), str(COUNTER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"it ended with exit code {done.returncode}"])[0]
        raise SetupError(f"'{COUNTER.name}' cannot be compiled by {compiler}: {reason}.")
