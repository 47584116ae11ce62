"""The Core ML package inside an ExecuTorch program."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecoder
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.programs import COREML_BACKEND, READ_TIMEOUT, READERS

_UNREADABLE: Final = (ValueError, AssertionError, struct.error, OSError, subprocess.CalledProcessError)
"""What the reader of programs raises."""


def unpack(path: Path, folder: Path) -> Path:
    """Write the package of the program's ``forward`` into ``folder``, an empty one.

    Raises:
        RunError: the file is not a readable program, or holds no Core ML package, or more than one.
    """
    with quiet_libraries():  # its reader of resources is deprecated
        from executorch.exir._serialize._program import deserialize_pte_binary

        try:
            program = deserialize_pte_binary(path.read_bytes()).program
        except _UNREADABLE as error:
            raise RunError(f"'{path}' is not an ExecuTorch program, or truncated: {type(error).__name__}.") from error
    plans = [plan for plan in program.execution_plan if plan.name == "forward"]
    found = [delegate for plan in plans for delegate in plan.delegates if delegate.id == COREML_BACKEND]
    if len(found) != 1:
        raise RunError(f"'{path}' has {len(found)} Core ML delegates where one is wanted; export it again.")
    try:
        return write_package(program.backend_delegate_data[found[0].processed.index].data, folder)
    except RunError as error:
        raise RunError(f"In '{path}': {error}") from error


@dataclass(frozen=True, slots=True)
class _Region:
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class _Node:
    """A file of the payload, or a folder, whose children are other nodes by number."""

    kind: Literal[0, 1]
    children: dict[str, int]
    dataRegion: _Region  # noqa: N815 - as ExecuTorch spells it


_NODES: Final = TypeAdapter(dict[Literal["nodes"], list[_Node]])

_LISTING: Final = 2**20
"""Bytes at the end of a payload among which its listing is; it has a kilobyte."""


def write_package(payload: bytes, folder: Path) -> Path:
    """Write the package that a Core ML delegate's payload holds into ``folder``, and nothing elsewhere.

    ExecuTorch 1.4.1's own reader follows ``..`` in names out of its folder.

    Raises:
        RunError: it holds none; a compiled model, say, which only macOS can read.
    """
    try:
        # The listing is the end of the payload, backwards; the last node is the root.
        listing, _ = JSONDecoder().raw_decode(bytes(payload[-_LISTING:])[::-1].decode("latin-1"))
        nodes = dict(enumerate(_NODES.validate_python(listing)["nodes"]))
        root = nodes.pop(max(nodes))
        if sum(node.dataRegion.size for node in nodes.values()) > len(payload):
            raise ValueError("it says that it is larger than it is")
        _write(root, nodes, memoryview(payload), folder)
    except (ValueError, LookupError, RecursionError) as error:
        raise RunError(f"The Core ML delegate holds no files that can be read: {_said(error)}.") from error
    packages = list(folder.rglob("*.mlpackage"))
    if len(packages) != 1:
        raise RunError(
            "The Core ML delegate holds no .mlpackage that can be read here; export it with MODEL_TYPE.MODEL."
        )
    return packages[0]


def _write(node: _Node, others: dict[int, _Node], payload: memoryview, place: Path) -> None:
    """Write a file, or a folder with all that is in it; each node once, so that none is inside of itself."""
    if node.kind == 0:
        start, size = node.dataRegion.offset, node.dataRegion.size
        if min(start, size) < 0 or start + size > len(payload):
            raise ValueError(f"'{place.name}' lies outside of it")
        place.write_bytes(payload[start : start + size])
        return
    place.mkdir(exist_ok=True)
    for name, number in node.children.items():
        if not _PLAIN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a file")
        _write(others.pop(number), others, payload, place / name)


_PLAIN: Final = re.compile(r"(?!\.)[\w.-]{1,200}", re.ASCII)


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):  # it would name our types
        return "their listing is not one"
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def embedded(path: Path) -> Iterator[Path]:
    """The package inside a program that someone else may have made, for as long as it is needed.

    Raises:
        RunError: there is none, or the file is not a readable program.
    """
    with TemporaryDirectory(prefix="pe_validate-") as folder:
        with Child(memory=memory_for(path), preload=READERS) as child:
            try:
                package = child.call(unpack, READ_TIMEOUT, path, Path(folder))
            except ChildError as error:
                raise RunError(f"The Core ML package in '{path}' cannot be read: {error}.") from error
        yield package
