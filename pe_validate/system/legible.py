"""Escape unprintable characters: names come from untrusted files, and are shown and stored."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def printable(text: str) -> str:
    """Return ``text`` as one printable line: no terminal control codes, and valid in UTF-8 and XML."""
    if text.isprintable():  # as nearly all is, long pictures included
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def legible(value: T) -> T:
    """Return a copy of plain data in which every string and path is printable."""
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
