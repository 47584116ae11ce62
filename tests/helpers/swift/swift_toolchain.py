"""A Swift toolchain: one that is on PATH, else Debian's in a folder of the cache, entered by chroot.

``python tests/helpers/swift/swift_toolchain.py`` makes it and says which it is; the first time, about two minutes and
3 GB.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from filelock import FileLock

from pe_validate.inputs.cache import default_cache_dir
from pe_validate.machines.arm64.environment import mirror
from pe_validate.system.errors import PEValidateError, SetupError

SUITE: Final = "trixie"
# The last is what ONNX Runtime depends on by a virtual name, which debootstrap does not resolve.
PACKAGES: Final = ("swiftlang", "libc6-dev", "libonnxruntime-dev", "libre2-11")
HEADERS: Final = tuple(Path(f"/usr/include/{name}onnxruntime_c_api.h") for name in ("onnxruntime/", ""))
OLDEST: Final = 6

ENTER: Final = """
set -e
root=$1; shift
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --bind "$1" "$root$1"; shift; done
shift
exec chroot "$root" "$@"
"""
ALONE: Final = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--")
ISOLATED: Final = ("setpriv", "--pdeathsig", "KILL", *ALONE)
"""Processes and mounts of a command end with this one, however it ends: no mount is left that `rm -rf` could follow."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Where ``swift`` and ``swiftc`` are: in ``room``, or on this machine's PATH when that is None."""

    room: Path | None
    version: str

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], folders: Sequence[Path] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in ``folder``, with stdout and stderr together.

        ``folders`` are what it reads and writes besides; in the room they have the paths that they have outside.
        """
        variables = [f"{name}={value}" for name, value in environment.items()]
        if self.room:
            shown = [str(path.resolve()) for path in (folder, *folders)]
            inside = ["/usr/bin/env", "-i", f"--chdir={folder.resolve()}", "PATH=/usr/bin:/bin", "HOME=/tmp"]
            command = [*ISOLATED, "sh", "-c", ENTER, "sh", str(self.room), *shown, "--", *inside, *variables, *command]
        else:
            command = ["/usr/bin/env", *variables, *command]
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )


def toolchain(cache_dir: Path | None = None, progress: Progress = lambda _: None) -> Toolchain:
    """Swift 6 or newer with XCTest, and ONNX Runtime's C interface.

    Raises:
        SetupError: there is none, and none can be made here.
    """
    here = Toolchain(None, "")
    version = _version(here.run(["swift", "--version"], Path(), {}).stdout) if shutil.which("swift") else None
    if version and int(version.split(".")[0]) >= OLDEST and any(header.exists() for header in HEADERS):
        return replace(here, version=version)
    _refuse_elsewhere()
    folder = (cache_dir or default_cache_dir()) / "swift"
    key = hashlib.sha256(" ".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]
    room = folder / f"room-{key}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if not room.exists():
                _make(room, progress)
    except OSError as error:
        raise SetupError(f"A Swift toolchain cannot be made in '{folder}': {error}.") from error
    made = Toolchain(room, "")
    version = _version(made.run(["swift", "--version"], folder, {}).stdout)
    if version is None:
        raise SetupError(f"The Swift in '{room}' does not run: remove that folder and try again.")
    return replace(made, version=version)


def _version(said: str) -> str | None:
    """Of what ``swift --version`` says, such as 6.0.3."""
    found = re.search(r"Swift version (\d+(?:\.\d+)*)", said)
    return found and found[1]


def _refuse_elsewhere() -> None:
    wanted = f"put Swift {OLDEST} or newer on PATH and install libonnxruntime-dev"
    if sys.platform != "linux" or not shutil.which("apt-get"):
        raise SetupError(f"A Swift toolchain is made on Debian only; elsewhere, {wanted}.")
    if os.geteuid() != 0:
        raise SetupError(
            f"A Swift toolchain is made and entered by chroot, which needs root; as another user, {wanted}."
        )


def _make(room: Path, progress: Progress) -> None:
    """Fill ``room``, whole or not at all; what an interrupted attempt left is removed first."""
    for stale in room.parent.glob(f".{room.name}-*"):
        shutil.rmtree(stale)
    scratch = Path(tempfile.mkdtemp(dir=room.parent, prefix=f".{room.name}-"))
    try:
        program, environment = _debootstrap(scratch)
        progress(f"downloading Swift for Debian {SUITE}: two minutes, 3 GB")
        made = scratch / room.name
        command = [*program, "--variant=minbase", "--force-check-gpg", f"--include={','.join(PACKAGES)}"]
        command += [SUITE, str(made), mirror()]
        done = subprocess.run([*ISOLATED, *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            wrong = [line.removeprefix("E: ") for line in said if line.startswith("E: ")]
            raise SetupError(f"debootstrap failed: {(wrong or said or ['it gives no reason'])[-1]}.")
        # Only what was downloaded to be unpacked.
        shutil.rmtree(made / "var/cache/apt/archives")
        made.rename(room)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _debootstrap(scratch: Path) -> tuple[list[str], dict[str, str]]:
    """The program and its environment: this machine's, else its package unpacked in ``scratch`` and not installed."""
    if shutil.which("debootstrap"):
        return ["debootstrap"], dict(os.environ)
    for attempt in (["apt-get", "download", "debootstrap"], ["apt-get", "update"]) * 2:
        subprocess.run(attempt, cwd=scratch, capture_output=True, check=False)
        if packages := list(scratch.glob("debootstrap_*.deb")):
            break
    else:
        raise SetupError("debootstrap is not installed and apt cannot download it: run 'apt-get install debootstrap'.")
    subprocess.run(["dpkg-deb", "-x", str(packages[0]), str(scratch / "tool")], check=True)
    folder = scratch / "tool/usr/share/debootstrap"
    return ["sh", str(scratch / "tool/usr/sbin/debootstrap")], {**os.environ, "DEBOOTSTRAP_DIR": str(folder)}


def main() -> int:
    """Make the toolchain, and say what it is."""
    try:
        made = toolchain(progress=lambda line: print(line, flush=True))
    except PEValidateError as error:
        print(f"swift_toolchain: {error}", file=sys.stderr)
        return error.exit_code
    print(f"Swift {made.version} in {made.room or 'PATH'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
