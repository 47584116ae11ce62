"""Names come from files that anyone wrote: what cannot be printed in them is escaped before it is shown or stored."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def printable(text: str) -> str:
    """One line that no terminal obeys, and that UTF-8 and XML can hold."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def legible(value: T) -> T:
    """Plain data, the same but for its strings and paths, which are printable."""
    escaped: T = _legible(value)
    return escaped


def _legible(value: Any) -> Any:
    match value:
        case str():
            return printable(value)
        case Path():
            return Path(printable(str(value)))
        case list() | tuple():
            return type(value)(map(_legible, value))
        case dict():
            return {_legible(key): _legible(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _legible(getattr(value, field.name)) for field in fields(value)})
    return value
