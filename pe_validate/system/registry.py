"""Registries: values of this project, and those that other distributions register through entry points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, TypeVar

from pe_validate.system.errors import UsageError


class Named(Protocol):
    """Anything with a name; only such values can be registered."""

    @property
    def name(self) -> str:
        """The name that users write."""
        ...


T = TypeVar("T", bound=Named)


def registered(group: str, kind: type[T], built_in: Iterable[T]) -> Mapping[str, T]:
    """Return ``built_in`` and the values of every entry point in ``group``, by name.

    An entry point refers to a value of type ``kind``, or to an iterable of such values.

    Raises:
        UsageError: an entry point cannot be imported or is of another type, or two values have the same name.
    """
    found = {value.name: value for value in built_in}
    for point in entry_points(group=group):
        for value in _values(point, kind):
            if value.name in found and found[value.name] is not value:
                raise UsageError(
                    f"{_source(point)} registers a second '{value.name}' in '{group}': rename it, or uninstall one."
                )
            found[value.name] = value
    return found


def _values(point: EntryPoint, kind: type[T]) -> list[T]:
    try:
        loaded = point.load()
    except Exception as error:
        raise UsageError(
            f"{_source(point)} cannot be loaded, {type(error).__name__}: {error}: mend it, or uninstall it."
        ) from error
    values = [loaded] if isinstance(loaded, kind) else list(loaded) if isinstance(loaded, Iterable) else [loaded]
    for value in values:
        if not isinstance(value, kind):
            raise UsageError(f"{_source(point)} is a {type(value).__name__} where a {kind.__name__} is wanted.")
    return values


def _source(point: EntryPoint) -> str:
    distribution = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    return f"The entry point '{point.name}'{distribution}, {point.value},"
