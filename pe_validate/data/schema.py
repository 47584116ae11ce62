"""Schemas of plain data: how it is read from JSON and TOML, checked, and written."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")


def schema(kind: type[T]) -> TypeAdapter[T]:
    """Return the reader, checker and writer of ``kind``, made when first asked for: a large one takes long to make."""
    made: TypeAdapter[T] = _made(cast("Any", kind))  # mypy holds no type for hashable
    return made


@cache
def _made(kind: Any) -> Any:
    return TypeAdapter(kind)
