"""Functions that run inside the emulated machine, called by name from outside; the guest has no numpy."""

from __future__ import annotations

import ctypes
import signal
import sys
from importlib.metadata import version
from typing import Any

from pe_validate.machines.arm64.tally import Slot, Tally

MARK = 0x7065
"""The number of a system call that does not exist: the counting plugin sees it, and the kernel refuses it."""

_SET_PDEATHSIG, _SME_GET_VL = 1, 64
"""Options of prctl, from Linux's ``linux/prctl.h``."""

TORCH_LIBRARY = "libtorch_cpu.so"
"""Torch's library; ExecuTorch's library uses its packing of activations for KleidiAI's kernels."""

_loaded: list[Any] = []  # the program, which must outlive its method, and the method
_tallies: list[Tally] = []

Meta = tuple[tuple[int, ...], int]
Plain = tuple[bytes, str, tuple[int, ...]]
"""A tensor's content, type and shape."""
"""Sizes, and the number of the scalar type."""


def hwcaps() -> tuple[int, int, int]:
    """Return AT_HWCAP and AT_HWCAP2 of this CPU, and the length of its streaming vectors in bytes."""
    libc = ctypes.CDLL(None)
    libc.getauxval.restype = ctypes.c_ulong
    return libc.getauxval(16), libc.getauxval(26), max(0, libc.prctl(_SME_GET_VL)) & 0xFFFF


def die_with_parent() -> None:
    """Have Linux kill this process when the thread that started it ends, even in the middle of an inference."""
    ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGKILL)


def start() -> tuple[str, str, dict[str, tuple[int, int]]]:
    """Import the runtime; return its name and version, its library, and the address ranges of mapped libraries."""
    executorch = _executorch()
    executorch._unsafe_reset_threadpool(1)  # with several threads, counts would not be repeatable
    path = executorch.__file__
    python = ".".join(map(str, sys.version_info[:3]))
    producer = f"ExecuTorch {version('executorch')} (torch {version('torch')}, Python {python}, arm64)"
    return producer, path, {name: found for name in (path, TORCH_LIBRARY) if (found := _mapped(name))}


def _mapped(name: str) -> tuple[int, int] | None:
    if not sys.platform.startswith("linux"):
        return None
    with open("/proc/self/maps", encoding="utf-8") as maps:
        spans = [line.split("-", 1) for line in maps if line.rstrip().endswith(name)]
    ends = [int(rest.split(" ", 1)[0], 16) for _, rest in spans]
    return (min(int(start, 16) for start, _ in spans), max(ends)) if spans else None


def open_program(path: str) -> tuple[list[Meta], list[Meta]]:
    """Load the method ``forward``; return its inputs and outputs."""
    executorch = _executorch()
    program = executorch._load_program(path)
    _loaded[:] = program, program.load_method("forward")
    meta = program.method_meta("forward")
    inputs = [meta.input_tensor_meta(i) for i in range(meta.num_inputs())]
    outputs = [meta.output_tensor_meta(i) for i in range(meta.num_outputs())]
    return [_plain(m) for m in inputs], [_plain(m) for m in outputs]


def watch(slots: list[Slot]) -> None:
    """Start counting the multiply-accumulates of the functions behind ``slots``."""
    _tallies.append(Tally(slots))


def run(given: list[Plain], wanted: list[int]) -> tuple[list[Plain], list[int]]:
    """Run ``forward`` between two marks; return the outputs at the places ``wanted``, and the counts by slot."""
    import torch

    tensors = [torch.frombuffer(bytearray(c), dtype=getattr(torch, dtype)).view(shape) for c, dtype, shape in given]
    _mark(1)
    outputs = _loaded[1](tensors)
    _mark(0)
    found: list[Plain] = []
    for answer in (outputs[index].contiguous() for index in wanted):
        content = ctypes.string_at(answer.data_ptr(), answer.numel() * answer.element_size())
        found.append((content, str(answer.dtype).removeprefix("torch."), tuple(answer.shape)))
    return found, [count for tally in _tallies for count in tally.taken()]


def _mark(beginning: int) -> None:
    if _tallies:
        ctypes.CDLL(None).syscall(MARK, beginning)


def _executorch() -> Any:
    import torch  # noqa: F401 - its libraries must be loaded first
    from executorch.extension.pybindings import _portable_lib

    return _portable_lib


def _plain(meta: Any) -> Meta:
    return tuple(meta.sizes()), meta.dtype()
