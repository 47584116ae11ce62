"""Environments in the cache: a Python with the packages of one toolchain, made once, complete or absent.

An environment is a folder named by a digest of everything that is asked for. It is made under a lock and a temporary
name, which is left behind only by a process that was killed, and removed by the next.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import Final

import pe_validate
from pe_validate.inputs.cache import default_cache_dir, exclusive
from pe_validate.system.errors import SetupError
from pe_validate.system.files import shipped, sync
from pe_validate.system.pip import install
from pe_validate.toolchains.requirements import DISTRIBUTION, installed, requirements
from pe_validate.toolchains.table import Toolchain

Progress = Callable[[str], None]

FOLDER: Final = "toolchains"
"""The folder of environments in the cache."""

_OURS: Final = ("PYTHON", "VIRTUAL_ENV")
"""Prefixes of variables that would lead an environment's Python to packages of this one."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter with the packages of a toolchain, and the variables of its processes."""

    toolchain: Toolchain
    python: Path
    variables: Mapping[str, str]

    @property
    def versions(self) -> dict[str, str]:
        """The version of every distribution in it, by name."""
        site = next((self.python.parents[1] / "lib").glob("python*/site-packages"))
        return {found.name: found.version for found in distributions(path=[str(site)])}


@contextmanager
def environment(
    toolchain: Toolchain, cache_dir: Path | None = None, progress: Progress = lambda _: None
) -> Iterator[Environment]:
    """Yield the environment of a toolchain, which is installed if it is not there; its pe_validate is this one.

    Raises:
        UsageError: this machine cannot have it.
        SetupError: it cannot be installed.
    """
    toolchain.check_place()
    wanted = requirements(toolchain, installed())
    folder = (cache_dir or default_cache_dir()) / FOLDER
    key = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / f"{key}.lock", lambda: progress("waiting for another process that installs the same")):
            made = folder / key
            if not made.exists():
                progress(f"installing {', '.join(toolchain.requirements)}")
                _make(toolchain, wanted, made)
    except OSError as error:
        raise SetupError(f"The environment of '{toolchain.name}' in '{folder}' cannot be made: {error}.") from error
    with tempfile.TemporaryDirectory(prefix="pe_validate-") as source:
        _link_source(Path(source))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        # PYTHONSAFEPATH: the folder that this runs in may be a checkout with another pe_validate.
        yield Environment(toolchain, _python(made), kept | {"PYTHONPATH": source, "PYTHONSAFEPATH": "1"})


def _python(folder: Path) -> Path:
    return folder / "bin/python"


def _make(toolchain: Toolchain, wanted: tuple[str, ...], made: Path) -> None:
    for left in made.parent.glob(f".{made.name}-*"):  # left by a process that was killed; the lock is ours
        shutil.rmtree(left, ignore_errors=True)  # its pip may still be at it
    temporary = Path(tempfile.mkdtemp(dir=made.parent, prefix=f".{made.name}-"))
    try:
        temporary.chmod(0o755)
        venv.create(temporary, symlinks=True)
        install(wanted, _python(temporary), failing=f"The toolchain '{toolchain.name}' cannot be installed")
        sync(temporary)
        temporary.rename(made)  # what is in it names its Python alone, and that lies elsewhere
    except subprocess.CalledProcessError as error:
        raise SetupError(f"'{sys.executable}' cannot make an environment: {error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _link_source(folder: Path) -> None:
    """Link this very pe_validate into ``folder``, without anything that is installed beside it."""
    package = Path(pe_validate.__file__).parent
    (folder / package.name).symlink_to(package)
    for data in ("fixtures", "golden"):
        if (found := shipped(data)).parent != package and found.is_dir():
            (folder / data).symlink_to(found)
    own = distribution(DISTRIBUTION)
    about = Path(str(own.locate_file(next(file for file in own.files or () if file.name == "METADATA")))).parent
    (folder / about.name).symlink_to(about)
