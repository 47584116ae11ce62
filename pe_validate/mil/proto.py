"""Core ML's protobuf classes without ``import coremltools``.

Importing coremltools takes more than ten seconds and loads every converter. Its generated protobuf modules need none of
that: they import only ``google.protobuf`` and each other. Their folder is therefore loaded here as a package under a
private name. ``find_spec`` locates coremltools without executing it; a later ``import coremltools`` finds the same
descriptors in protobuf's pool, which accepts an identical file twice. This workaround can go when coremltools offers
its protobuf classes as a light import.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from pe_validate.system.errors import RunError

_PACKAGE = "_pe_validate_coreml_proto"


def parse_model(content: bytes) -> Any:
    """Parse a serialised ``CoreML.Specification.Model`` message.

    Raises:
        RunError: coremltools is not installed.
        ValueError: the content is not such a message.
    """
    decode_error = import_module("google.protobuf.message").DecodeError
    try:
        return _model_class().FromString(content)
    except decode_error as error:
        raise ValueError(str(error)) from error


@cache
def _model_class() -> Any:
    if _PACKAGE not in sys.modules:
        _load_package()
    return import_module(f"{_PACKAGE}.Model_pb2").Model


def _load_package() -> None:
    found = find_spec("coremltools")
    if found is None or found.origin is None:
        raise RunError("Core ML packages cannot be read: install coremltools, whose file format classes are needed.")
    folder = Path(found.origin).parent / "proto"
    spec = spec_from_file_location(_PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise RunError(f"Core ML packages cannot be read: {folder} is not a Python package.")
    package = module_from_spec(spec)
    sys.modules[_PACKAGE] = package
    spec.loader.exec_module(package)
