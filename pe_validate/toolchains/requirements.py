"""What pip installs for a toolchain: its own packages, and what else pe_validate needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pe_validate.toolchains.table import Toolchain

DISTRIBUTION = "pe-validate"


def requirements(toolchain: Toolchain, pins: Mapping[str, str]) -> tuple[str, ...]:
    """Return the requirements of an environment, those of the toolchain first.

    What every part of pe_validate needs has the version in ``pins``, by canonical name, so that two environments differ
    in their toolchains alone. The parts are those of which the toolchain names a package; what else these need may have
    any version that they allow.
    """
    own = {_name(line) for line in toolchain.requirements}
    base = [line for line in _wanted() if _name(line) not in own]
    pinned = [f"{name}=={pins[name]}" if (name := _name(line)) in pins else line for line in base]
    parts = [line for part in _parts() if own & {_name(each) for each in part} for line in part]
    return tuple(dict.fromkeys((*toolchain.requirements, *pinned, *(line for line in parts if _name(line) not in own))))


def installed() -> dict[str, str]:
    """Return the version here of everything that each part needs, as an index names it, by canonical name."""
    found = {}
    for name in map(_name, _wanted()):
        try:
            found[name] = Version(version(name)).public  # without '+cpu', which not every index has
        except PackageNotFoundError:
            continue
    return found


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _wanted(extra: str = "") -> Iterator[str]:
    """Yield what every part needs, or only what an ``extra`` adds to it."""
    for line in distribution(DISTRIBUTION).requires or ():
        found = Requirement(line)
        always = found.marker is None or found.marker.evaluate({"extra": ""})
        if canonicalize_name(found.name) == DISTRIBUTION or always == bool(extra):
            continue
        if always or (found.marker and found.marker.evaluate({"extra": extra})):
            found.marker = None
            yield str(found)


def _parts() -> list[list[str]]:
    """Return what each part adds, without parts that are made of others: the builder copies these into them."""
    extras = distribution(DISTRIBUTION).metadata.get_all("Provides-Extra") or []
    parts = [list(_wanted(extra)) for extra in extras]
    return [part for part in parts if not any(set(other) < set(part) for other in parts if other)]
