"""What runs inside the emulated machine, called from outside by name. Plain values only: the guest has no numpy."""

from __future__ import annotations

import ctypes
import sys
from importlib.metadata import version
from typing import Any

MARK = 0x7065
"""A system call that does not exist: the counting plugin sees it, the kernel refuses it."""

_libc = ctypes.CDLL(None)
_libc.getauxval.restype = ctypes.c_ulong
_loaded: list[Any] = []  # the program, and its method, which borrows from it

Meta = tuple[tuple[int, ...], int]
"""Sizes, and the number of the scalar type."""


def hwcaps() -> tuple[int, int]:
    """AT_HWCAP and AT_HWCAP2 of this CPU."""
    return _libc.getauxval(16), _libc.getauxval(26)


def start() -> tuple[str, str, int]:
    """Import the runtime: who it is, its library's path and where that is mapped."""
    executorch = _executorch()
    executorch._unsafe_reset_threadpool(1)  # counts of several threads would not repeat
    path = executorch.__file__
    with open("/proc/self/maps", encoding="ascii") as maps:
        base = next((int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(path)), 0)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"ExecuTorch {version('executorch')} (torch {version('torch')}, Python {python}, arm64)", path, base


def open_program(path: str) -> tuple[list[Meta], list[Meta]]:
    """Load ``forward`` and tell its inputs and outputs."""
    executorch = _executorch()
    program = executorch._load_program(path)
    _loaded[:] = program, program.load_method("forward")
    meta = program.method_meta("forward")
    inputs = [meta.input_tensor_meta(i) for i in range(meta.num_inputs())]
    outputs = [meta.output_tensor_meta(i) for i in range(meta.num_outputs())]
    return [_plain(m) for m in inputs], [_plain(m) for m in outputs]


def run(image: bytes, dtype: str, shape: tuple[int, ...], index: int, counted: bool) -> tuple[bytes, str, list[int]]:
    """Bytes, type and shape of one output; ``counted`` puts the marks around the call."""
    import torch

    tensor = torch.frombuffer(bytearray(image), dtype=getattr(torch, dtype)).view(shape)
    if counted:
        _libc.syscall(MARK, 1)
    outputs = _loaded[1]([tensor])
    if counted:
        _libc.syscall(MARK, 0)
    answer = outputs[index].contiguous()
    content = ctypes.string_at(answer.data_ptr(), answer.numel() * answer.element_size())
    return content, str(answer.dtype).removeprefix("torch."), list(answer.shape)


def _executorch() -> Any:
    import torch  # noqa: F401 - its libraries first
    from executorch.extension.pybindings import _portable_lib

    return _portable_lib


def _plain(meta: Any) -> Meta:
    return tuple(meta.sizes()), meta.dtype()
