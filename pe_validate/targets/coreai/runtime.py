"""Apple's Core AI runtime, on the CPU."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.outputs import Reading
from pe_validate.data.tensors import TensorSpec
from pe_validate.system.errors import RunError
from pe_validate.targets.coreai.arithmetic import widen
from pe_validate.targets.coreai.libraries import RUNTIME, library
from pe_validate.targets.coreai.program import ENTRY, entry, operations, read_program, shape_of, type_of
from pe_validate.targets.runtime import Given, Runtime

TEMPORARY: Final = "pe_validate-"

_READINGS: Final[dict[Reading, str]] = {
    "exact": ", float16 computed in float32",
    "declared": ", results rounded to float16",
    "native": "",
}


class CoreAIRuntime(Runtime):
    """An ``.aimodel``, specialised for this machine's CPU and run by ``coreai.runtime``.

    Neither the Neural Engine nor the GPU takes part: off macOS the runtime has neither.
    """

    def __init__(self, path: Path, reading: Reading, threads: int | None = None) -> None:
        self._path = path
        program = read_program(path)
        graph = entry(program)
        if graph is None:
            raise RunError(f"'{path}' has no function '{ENTRY}' to run; convert it again with that as its name.")
        self.inputs, self.outputs = fed(graph), answered(graph)
        self._types = [type_of(argument) for argument in graph.regions[0].blocks[0].arguments]
        changed = applied(program, reading)
        self.producer = f"Core AI on the CPU (coreai-core {version(RUNTIME)}{_READINGS[reading] if changed else ''})"
        self._loop = asyncio.new_event_loop()
        self._function = self._loop.run_until_complete(specialised(path, program if changed else None))

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`."""
        array = library("coreai.runtime").NDArray
        feed = {
            spec.name: array(values.astype(kind, copy=False))
            for spec, kind, values in zip(self.inputs, self._types, given, strict=True)
        }
        try:
            found = self._loop.run_until_complete(self._function(feed))
        except (RuntimeError, ValueError) as error:
            raise RunError(f"'{self._path}' failed in {self.producer}: {_reason(error)}.") from error
        missing = [self.outputs[index].name for index in wanted if self.outputs[index].name not in found]
        if missing:
            raise RunError(f"'{self._path}' gave no output '{missing[0]}', which it declares.")
        return [_plain(found[self.outputs[index].name].numpy(), self.outputs[index]) for index in wanted]


def applied(program: Any, reading: Reading) -> bool:
    """Change a program's float16 as a reading says; return whether there was any to change."""
    halves = any(type_of(result) == "float16" for each in operations(program) for result in each.results)
    if not halves or reading == "native":
        return False
    widen(program, rounds=reading == "declared")
    return True


async def specialised(path: Path, program: Any = None) -> Any:
    """Specialise an asset, or a changed program of it, for this machine, and return its function.

    Raises:
        RunError: the runtime refuses it.
    """
    authoring, options = library("coreai.authoring"), library("coreai.runtime").SpecializationOptions
    # The operating system's own runtime, of macOS 27, has other processors: only the CPU computes float32 in float32.
    cpu = options.cpu_only() if options.is_supported() else None
    try:
        if program is None:
            async with authoring.AIModelAsset.load(path).executable(cpu) as model:
                return model.load_function(ENTRY)
        with TemporaryDirectory(prefix=TEMPORARY) as folder:
            asset = program.save_asset(Path(folder) / "changed.aimodel")
            async with asset.executable(cpu) as model:
                return model.load_function(ENTRY)
    except (RuntimeError, KeyError, ValueError) as error:
        raise RunError(f"'{path}' cannot be loaded by Core AI: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _plain(values: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.generic]:
    return np.array(values, spec.dtype)  # of its own: the runtime reuses its buffers


def fed(graph: Any) -> tuple[TensorSpec, ...]:
    """Return the inputs that a function declares."""
    return _specs(graph.attributes["arg_attrs"], graph.regions[0].blocks[0].arguments, "input")


def answered(graph: Any) -> tuple[TensorSpec, ...]:
    """Return the outputs that a function declares."""
    returned = list(graph.regions[0].blocks[0].operations)[-1].operation.operands
    return _specs(graph.attributes["res_attrs"], returned, "output")


def _specs(attributes: Any, values: Sequence[Any], called: str) -> tuple[TensorSpec, ...]:
    """Return what a graph declares; a value without a name is called by its place."""
    found = []
    for number, value in enumerate(values):
        named = {each.name: str(each.attr).strip('"') for each in attributes[number]}
        found.append(TensorSpec(named.get("coreai.name", f"{called}{number}"), shape_of(value), type_of(value)))
    return tuple(found)
