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

from pydantic import ValidationError

from pe_validate.data.schema import schema
from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.programs import COREML_BACKEND, READ_TIMEOUT, READERS

_UNREADABLE: Final = (ValueError, AssertionError, struct.error, OSError, subprocess.CalledProcessError)
"""What the reader of programs raises for a file that it cannot read."""


def unpack(path: Path, folder: Path) -> Path:
    """Write the package inside the program's ``forward`` into ``folder``, which must be empty.

    Raises:
        RunError: the file is not a readable program, or does not hold exactly one Core ML package.
    """
    with quiet_libraries():  # it reads its resources through a deprecated interface
        from pe_validate.targets.xnnpack.reader import deserialize_pte_binary

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
    """A file (kind 0) in the payload, or a folder (kind 1), whose children are the numbers of other nodes."""

    kind: Literal[0, 1]
    children: dict[str, int]
    dataRegion: _Region  # noqa: N815 - as ExecuTorch spells it


_Nodes = dict[Literal["nodes"], list[_Node]]

_LISTING_SIZE: Final = 2**20
"""Bytes at the end of a payload that are searched for its listing, which takes about a kilobyte."""


def write_package(payload: bytes, folder: Path) -> Path:
    """Write the package in the payload of a Core ML delegate into ``folder``, and nothing outside it.

    ExecuTorch 1.4.1's own reader follows ``..`` in names and can write outside its folder.

    Raises:
        RunError: it holds no package; it may hold a compiled model, which only macOS can read.
    """
    try:
        # The listing is JSON, stored backwards at the end of the payload; its last node is the root.
        listing, _ = JSONDecoder().raw_decode(bytes(payload[-_LISTING_SIZE:])[::-1].decode("latin-1"))
        nodes = dict(enumerate(schema(_Nodes).validate_python(listing)["nodes"]))
        root = nodes.pop(max(nodes))
        if sum(node.dataRegion.size for node in nodes.values()) > len(payload):
            raise ValueError("it says that it is larger than it is")
        _write(root, nodes, memoryview(payload), folder)
    except (ValueError, LookupError, RecursionError) as error:
        raise RunError(f"The Core ML delegate holds no files that can be read: {_reason(error)}.") from error
    packages = list(folder.rglob("*.mlpackage"))
    if len(packages) != 1:
        raise RunError(
            "The Core ML delegate holds no .mlpackage that can be read here; export it with MODEL_TYPE.MODEL."
        )
    return packages[0]


def _write(node: _Node, others: dict[int, _Node], payload: memoryview, place: Path) -> None:
    """Write a file, or a folder with all its content; each node is written once, so no folder can contain itself."""
    if node.kind == 0:
        start, size = node.dataRegion.offset, node.dataRegion.size
        if min(start, size) < 0 or start + size > len(payload):
            raise ValueError(f"'{place.name}' lies outside of it")
        place.write_bytes(payload[start : start + size])
        return
    place.mkdir(exist_ok=True)
    for name, number in node.children.items():
        if not _FILE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a file")
        _write(others.pop(number), others, payload, place / name)


_FILE_NAME: Final = re.compile(r"(?!\.)[\w.-]{1,200}", re.ASCII)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):  # its message would name our private types
        return "their listing is not one"
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def embedded(path: Path) -> Iterator[Path]:
    """Yield a temporary copy of the package inside an untrusted program.

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
