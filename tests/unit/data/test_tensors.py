"""A declared tensor is described in words."""

from __future__ import annotations

from pe_validate.data.tensors import TensorSpec


def test_a_tensor_is_described_in_the_words_of_its_message() -> None:
    assert str(TensorSpec("image", (1, 3, 384, 384), "float32")) == "image: float32[1, 3, 384, 384]"
    assert str(TensorSpec("scale", (), "float16")) == "scale: float16[]"
