"""Reading weight.bin and constants, against coremltools' own writer; and doing so without coremltools."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pe_validate.mil.blob import BlobFile
from pe_validate.mil.dtypes import DATA_TYPES, DataType, unpack
from pe_validate.mil.ops.compression import (
    constexpr_affine_dequantize,
    constexpr_cast,
    constexpr_lut_to_dense,
    constexpr_sparse_to_dense,
)
from pe_validate.mil.ops.shape import reshape_like
from pe_validate.mil.ops.tensor import non_zero

BY_NAME = {dtype.name: dtype for dtype in DATA_TYPES.values()}

STORED: dict[str, np.ndarray] = {
    "float32": np.array([0.5, -1e-8, np.inf, 3.0, 7.0], np.float32),
    "float16": np.array([0.5, -6e-8, np.inf, 65504, 7.0], np.float16),
    "int8": np.array([-128, 127, 0, 1, -1], np.int8),
    "uint8": np.array([0, 255, 128, 1, 7], np.uint8),
    "int16": np.array([-32768, 32767, 0, 1, -1], np.int16),
    "uint16": np.array([0, 65535, 32768, 1, 7], np.uint16),
    "int32": np.array([-(2**31), 2**31 - 1, 0, 1, -1], np.int32),
    "uint32": np.array([0, 2**32 - 1, 2**31, 1, 7], np.uint32),
    "int4": np.array([-8, 7, 1, -1, 3], np.int8),
    "uint1": np.array([1, 0, 1, 1, 0], np.uint8),
    "uint2": np.array([3, 2, 1, 0, 3], np.uint8),
    "uint3": np.array([7, 4, 2, 1, 5], np.uint8),
    "uint4": np.array([15, 8, 4, 2, 1], np.uint8),
    "uint6": np.array([63, 32, 16, 8, 1], np.uint8),
}


@pytest.fixture(scope="module")
def written(ct: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A blob file with one blob of every type, and their offsets."""
    from coremltools.libmilstoragepython import _BlobStorageWriter

    path = tmp_path_factory.mktemp("blobs") / "weight.bin"
    writer = _BlobStorageWriter(str(path))
    offsets = {}
    for name, values in STORED.items():
        write = {"float32": "float", "float16": "fp16"}.get(name, name)
        # The writer takes float16 as its bit pattern.
        data = values.view(np.uint16) if name == "float16" else values
        offsets[name] = getattr(writer, f"write_{write}_data")(data)
    del writer  # closes the file
    return path, offsets


@pytest.mark.parametrize("name", STORED)
def test_every_type_is_read_as_coremltools_wrote_it(written: tuple[Path, dict[str, int]], name: str) -> None:
    path, offsets = written
    read = BlobFile(path, "weights").read(offsets[name], (5, 1), BY_NAME[name])
    assert read.dtype == (torch.float16 if name == "float16" else BY_NAME[name].memory)  # widened where it is used
    np.testing.assert_array_equal(read.numpy(), STORED[name].reshape(5, 1).astype(read.numpy().dtype))


@given(bits=st.integers(1, 7), values=st.lists(st.integers(0, 127), max_size=40))
def test_unpacking_undoes_packing(bits: int, values: list[int]) -> None:
    values = [value % 2**bits for value in values]
    number = sum(value << (index * bits) for index, value in enumerate(values))
    packed = np.frombuffer(number.to_bytes((len(values) * bits + 7) // 8, "little"), np.uint8)
    assert unpack(packed, len(values), DataType("packed", "u1", bits, torch.uint8)).tolist() == values


def test_affine_weights_are_dequantized_along_their_axis() -> None:
    data = torch.tensor([[-128, 0, 127], [1, 2, 3]], dtype=torch.int8)
    zero, scale = torch.tensor([-128, 1], dtype=torch.int8), torch.tensor([0.5, 2.0])
    expected = torch.tensor([[0, 64, 127.5], [0, 2, 4]])
    assert torch.equal(constexpr_affine_dequantize(data, zero, scale, torch.tensor(0)), expected)


def test_packed_lookup_table_follows_the_reference_example() -> None:
    """Two bits, five indices in two bytes: the figure in the MIL reference of constexpr_lut_to_dense."""
    indices = torch.tensor([0b01101100, 0b00000011], dtype=torch.uint8)
    lut = torch.tensor([10.0, 11.0, 12.0, 13.0])
    assert constexpr_lut_to_dense(indices, lut, torch.tensor([5])).tolist() == [10, 13, 12, 11, 13]


def test_packed_sparse_mask_follows_the_reference_example() -> None:
    mask = torch.tensor([0b00001100], dtype=torch.uint8)
    assert constexpr_sparse_to_dense(torch.tensor([5.0, 6.0]), mask, torch.tensor([5])).tolist() == [0, 0, 5, 6, 0]


def test_sparse_mask_of_the_tensors_own_shape() -> None:
    mask = torch.tensor([[0, 1], [1, 0]], dtype=torch.uint8)
    assert constexpr_sparse_to_dense(torch.tensor([5.0, 6.0]), mask).tolist() == [[0, 5], [6, 0]]


def test_operators_without_a_row_in_the_table() -> None:
    """A data-dependent shape and a tuple of references cannot be built next to the others."""
    assert constexpr_cast(torch.tensor([0.5]), "fp32").tolist() == [0.5]
    assert non_zero(torch.tensor([[0.0, 2.0], [3.0, 0.0]])).tolist() == [[0, 1], [1, 0]]
    two, three = torch.zeros(2, 9), torch.zeros(9, 3)
    yes, no = torch.tensor(True), torch.tensor(False)
    zero, one = torch.tensor(0), torch.tensor(1)
    assert reshape_like(torch.zeros(6), [two, three], [zero, one], [one, zero], [no, yes]).shape == (2, 3)


_COEXISTENCE = """
import sys, warnings
from pe_validate.mil.proto import parse_model
import pe_validate.mil
model = parse_model(b"")
assert not any(name.split(".")[0] == "coremltools" for name in sys.modules), "coremltools was imported"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # coremltools 9.0 warns about its own deprecations on import
    import coremltools
    from coremltools.proto import Model_pb2
model.specificationVersion = 9
model.mlProgram.version = 1
theirs = Model_pb2.Model.FromString(model.SerializeToString())
assert theirs.specificationVersion == parse_model(theirs.SerializeToString()).specificationVersion == 9
"""


def test_coremltools_is_not_imported_and_can_be_imported_later() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", _COEXISTENCE], check=True, capture_output=True, text=True)
