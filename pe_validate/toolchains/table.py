"""The table of toolchains, and those that a user writes as a list of requirements."""

from __future__ import annotations

import platform
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pe_validate.system.errors import UsageError
from pe_validate.system.suggest import did_you_mean

TABLE: Final = Path(__file__).with_name("toolchains.toml")

DEFAULT: Final = "executorch-1.4"
"""The toolchain that ``pip install pe-validate`` takes."""

_OPERATORS: Final = ("=", "<", ">", "!", "~")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Versions that go together: requirements as pip takes them.

    ``where`` names the places that have them, empty if that is not known; ``note`` says why there is such a toolchain.
    """

    name: str
    requirements: tuple[str, ...]
    where: tuple[str, ...] = ()
    note: str = ""
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)

    def check_place(self) -> None:
        """Check that this machine can have it.

        Raises:
            UsageError: it cannot.
        """
        if self.where and not here() & set(self.where):
            raise UsageError(
                f"The toolchain '{self.name}' is for {' and '.join(self.where)}, and this is {min(here(), key=len)}."
            )


def here() -> frozenset[str]:
    """Return the names of places that this machine is, such as ``linux-x86_64``."""
    place = f"{'macos' if sys.platform == 'darwin' else sys.platform}-{platform.machine()}"
    return frozenset({place, f"{place}-cuda"} if shutil.which("nvidia-smi") else {place})


@cache
def table() -> Mapping[str, Toolchain]:
    """Return the toolchains by name, the default one first."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return MappingProxyType({name: _of(name, **row) for name, row in rows.items()})


def _of(name: str, where: list[str], note: str, versions: dict[str, str]) -> Toolchain:
    pins = tuple(f"{tool}=={number}" for tool, number in versions.items())
    return Toolchain(name, pins, tuple(where), note, versions)


def toolchain_named(words: str) -> Toolchain:
    """Return the toolchain of a name in the table, or of a list such as ``torch==2.13.0,executorch==1.5.1``.

    Raises:
        UsageError: there is none of that name, or the list holds something else than requirements.
    """
    if found := table().get(words):
        return found
    if not any(operator in words for operator in (*_OPERATORS, ",")):
        raise UsageError(
            f"There is no toolchain '{words}': choose one of {', '.join(table())}, or write requirements, such as "
            f"'torch==2.13.0,executorch==1.5.1'.{did_you_mean(words, list(table()))}"
        )
    return Toolchain(words, tuple(_requirements(words)))


def _requirements(words: str) -> list[str]:
    from packaging.requirements import InvalidRequirement, Requirement

    parts: list[str] = []
    for part in (part.strip() for part in words.split(",")):
        if part.startswith(_OPERATORS) and parts:
            parts[-1] += f",{part}"  # of the same requirement: torch>=2.13,<2.14
        else:
            parts.append(part)
    for part in parts:
        try:
            Requirement(part)
        except InvalidRequirement as error:
            raise UsageError(f"'{part}' in '{words}' is no requirement, such as 'executorch==1.5.1'.") from error
    return parts
