"""The Core ML package inside an ExecuTorch program."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pe_validate.errors import RunError
from pe_validate.export.artifact import memory_for
from pe_validate.export.quiet import quiet_libraries
from pe_validate.process import Child, ChildError

BACKEND = "CoreMLBackend"
"""What ExecuTorch calls the delegate."""

READ_TIMEOUT = 120.0
"""Seconds; importing ExecuTorch's program reader takes most of it on a cold machine."""


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
    found = [delegate for plan in plans for delegate in plan.delegates if delegate.id == BACKEND]
    if len(found) != 1:
        raise RunError(f"'{path}' has {len(found)} Core ML delegates where one is wanted; export it again.")
    return write_package(program.backend_delegate_data[found[0].processed.index].data, folder)


def write_package(payload: bytes, folder: Path) -> Path:
    """Write the package that a Core ML delegate's payload holds into ``folder``.

    Raises:
        RunError: it holds none; a compiled model, say, which only macOS can read.
    """
    from executorch.backends.apple.coreml import executorchcoreml

    packages = []
    if executorchcoreml.unflatten_directory_contents(bytes(payload), str(folder)):
        packages = list(folder.rglob("*.mlpackage"))
    if len(packages) != 1:
        raise RunError(
            "The Core ML delegate holds no .mlpackage that can be read here; export it with MODEL_TYPE.MODEL."
        )
    return packages[0]


@contextmanager
def embedded(path: Path) -> Iterator[Path]:
    """The package inside a program that someone else may have made, for as long as it is needed.

    Raises:
        RunError: there is none, or the file is not a readable program.
    """
    with TemporaryDirectory(prefix="pe_validate-") as folder:
        with Child(memory=memory_for(path)) as child:
            try:
                package = child.call(unpack, READ_TIMEOUT, path, Path(folder))
            except ChildError as error:
                raise RunError(f"The Core ML package in '{path}' cannot be read: {error}.") from error
        yield package
