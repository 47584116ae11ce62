"""Check that a ``.pt2`` archive is plain data: ``torch.export.load`` (torch 2.13) may run code from one that is not.

It unpickles weights, constants and sample inputs without restriction if the archive says so, evaluates symbolic shapes
as Python, calls any torch function that a node names, and loads compiled libraries. ``torch.export.save`` writes none
of these but symbolic shapes, for axes of any length; they are let through if they are arithmetic. The guards of a
program are Python, too: make its module without them (``check_guards=False``).
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

from pe_validate.system.errors import RunError, first_line

MEMBERS: Final = re.compile(
    r"archive_format|archive_version|byteorder|\.data/\w+|\.format_version|\.storage_alignment"
    r"|models/model\.json|data/sample_inputs/model\.pt|extra/[\w.]+"
    r"|data/weights/(model_weights_config\.json|weight_\d+)|data/constants/(model_constants_config\.json|tensor_\d+)"
)
"""The files that an archive of one program may contain, relative to its root folder."""

OPERATORS: Final = re.compile(r"torch\.ops\.(aten|prims)\.\w+\.\w+|_operator\.(getitem|add|sub|mul|floordiv|mod|neg)")
"""The functions that a node may call."""

ARITHMETIC: Final = frozenset(
    {"Add", "Mul", "Max", "Min", "FloorDiv", "CleanDiv", "Mod", "PythonMod", "CeilToInt", "FloorToInt", "Integer"}
)
"""What symbolic lengths may be made of, beside symbols."""

SYMBOL: Final = re.compile(r"[su]\d+")

LARGEST_LISTING: Final = 2**28
"""The most bytes in one of the archive's JSON files; a large model's has a few million."""


def check_plain(path: Path) -> None:
    """Check an archive before any of it is loaded.

    Raises:
        RunError: it is damaged, or would run code of its own.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            fault = next(_faults(archive), None)
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, RecursionError, NotImplementedError) as error:
        raise RunError(f"'{path}' is not an exported program, or truncated: {first_line(error)}.") from error
    if fault:
        raise RunError(
            f"'{path}' {fault}, which loading it would run as code: save the program again with torch.export.save."
        )


def _faults(archive: zipfile.ZipFile) -> Iterator[str]:
    members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
    for name, info in members.items():
        if not MEMBERS.fullmatch(name):
            yield f"holds '{info.filename}'"
        if info.compress_type != zipfile.ZIP_STORED:
            yield f"holds a compressed '{info.filename}'"
        if name.endswith(".json") and info.file_size > LARGEST_LISTING:
            yield f"holds {info.file_size:,} bytes of '{info.filename}'"
    for name in ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json"):
        for key, payload in json.loads(archive.read(members[name]))["config"].items():
            if payload["use_pickle"] is not False or not re.fullmatch(r"(weight|tensor)_\d+", payload["path_name"]):
                yield f"holds a pickled '{key}'"
    if not _is_plain_pickle(archive.read(members["data/sample_inputs/model.pt"])):
        yield "holds sample inputs that are not tensors"
    program = json.loads(archive.read(members["models/model.json"]))
    for key, value in _pairs(program):
        if key == "target" and isinstance(value, str) and not OPERATORS.fullmatch(value):
            yield f"calls '{value}'"
        if key in ("as_custom_obj", "as_operator", "as_graph"):
            yield f"holds a value of kind '{key}'"
        if key == "expr_str" and not _is_arithmetic(value):
            yield f"holds a length '{value}'"


def _is_arithmetic(text: object) -> bool:
    """Return whether the text of a symbolic length is made of ARITHMETIC, whole numbers and symbols alone."""
    try:
        waiting: list[ast.expr] = [ast.parse(str(text), mode="eval").body]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    while waiting:
        match waiting.pop():
            case ast.Call(ast.Name("Symbol"), [ast.Constant(str(name))], keywords):
                plain = all(isinstance(each.value, ast.Constant) for each in keywords)
                if not (plain and SYMBOL.fullmatch(name)):
                    return False
            case ast.Call(ast.Name(name), arguments, []) if name in ARITHMETIC:
                waiting += arguments
            case ast.Constant(int()):
                pass
            case _:
                return False
    return True


def _is_plain_pickle(content: bytes) -> bool:
    if not content:
        return True
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # noqa: BLE001 - if this reader fails, torch.export falls back to unpickling with code
        return False
    return True


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key with its value, at any depth, without recursion."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield from found.items()
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
