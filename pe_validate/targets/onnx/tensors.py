"""The tensors that an ``.onnx`` file stores."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper

from pe_validate.system.errors import RunError


def initializers(path: Path, names: Iterable[str]) -> dict[str, NDArray[np.generic]]:
    """Return the initializers with one of ``names`` that are stored in the file itself.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, OSError) as error:
        raise RunError(f"'{path}' cannot be read as ONNX: {error}.") from error
    inside = {tensor.name: tensor for tensor in graph.initializer if not tensor.external_data}
    return {name: numpy_helper.to_array(inside[name]) for name in names if name in inside}
