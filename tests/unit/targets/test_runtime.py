"""The checked call: the same values in whatever layout, the declared shapes on both sides, one output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from arrays import float32
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pe_validate.data.outputs import Array
from pe_validate.data.tensors import Interface, TensorSpec
from pe_validate.inputs.images import Sample
from pe_validate.system.errors import RunError
from pe_validate.targets.open import run
from pe_validate.targets.runtime import Given, Runtime

IMAGE = TensorSpec("image", (1, 3, 4, 6), "float32")
FEATURES = TensorSpec("features", (1, 2), "float32")
MASK = TensorSpec("mask", (1, 4), "bool")


class Recorder(Runtime):
    """Keeps what it was given and answers with ``found``."""

    def __init__(
        self,
        inputs: tuple[TensorSpec, ...] = (IMAGE,),
        outputs: tuple[TensorSpec, ...] = (FEATURES,),
        answer: NDArray[np.generic] | None = None,
    ) -> None:
        self.producer = "Recorder 1.0"
        self.inputs, self.outputs = inputs, outputs
        self.found = np.zeros(FEATURES.shape, np.float32) if answer is None else answer
        self.received: list[NDArray[np.generic]] = []

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        self.received.extend(given)
        if len(wanted) == 1:
            return [self.found]
        return [self.found[..., : self.outputs[index].shape[-1]] for index in wanted]


@dataclass(frozen=True)
class Layout:
    """One way to lay an array out in memory."""

    order: tuple[int, ...]
    """Axes from the slowest to the fastest."""
    steps: tuple[int, ...]
    """Of the slice that the array is, by axis; negative ones run backwards."""
    writable: bool
    offset: int
    """Bytes before the first element; 1 misaligns it."""

    def apply(self, values: Array) -> Array:
        """An array equal to ``values`` in this layout."""
        spread = [side * abs(step) for side, step in zip(values.shape, self.steps, strict=True)]
        memory = np.zeros(4 * int(np.prod(spread)) + self.offset, np.uint8)
        memory[:] = 0xFF  # between the elements there are NaNs
        buffer = memory[self.offset :].view(np.float32).reshape([spread[axis] for axis in self.order])
        view = buffer.transpose(np.argsort(self.order))[tuple(slice(None, None, step) for step in self.steps)]
        view[...] = values
        view.flags.writeable = self.writable
        return view


layouts = st.builds(
    Layout,
    order=st.permutations(range(4)).map(tuple),
    steps=st.tuples(*[st.sampled_from([1, 2, 3, -1, -2])] * 4),
    writable=st.booleans(),
    offset=st.sampled_from([0, 1, 4, 16]),
)
"""Channels-last, Fortran, sliced, reversed, misaligned and read-only arrays, and their combinations."""


def counting(shape: tuple[int, ...]) -> Array:
    """Values that are all different, so that any other order of them shows."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@settings(max_examples=200)
@given(layouts)
def test_a_runtime_is_given_the_same_values_whatever_the_layout(layout: Layout) -> None:
    image = layout.apply(counting(IMAGE.shape))
    runtime = Recorder()
    runtime.run(image)
    (received,) = runtime.received
    np.testing.assert_array_equal(received, counting(IMAGE.shape))
    assert received.flags.c_contiguous
    assert received.dtype == np.float32


@settings(max_examples=50)
@given(layouts)
def test_what_was_given_is_left_as_it_was(layout: Layout) -> None:
    image = layout.apply(counting(IMAGE.shape))
    strides, writable = image.strides, image.flags.writeable
    Recorder().run(image)
    np.testing.assert_array_equal(image, counting(IMAGE.shape))
    assert (image.strides, image.flags.writeable) == (strides, writable)


@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        lambda x: np.flip(np.flip(x, -1).copy(), -1),
        lambda x: np.repeat(x, 2, -1)[..., ::2],
        lambda x: np.broadcast_to(x[:, :, :1], x.shape),
    ],
    ids=["fortran", "channels last", "reversed", "every second", "broadcast"],
)
def test_common_layouts_arrive_in_order(arrange: Callable[[Array], Array]) -> None:
    image = arrange(counting(IMAGE.shape))
    runtime = Recorder()
    runtime.run(image)
    np.testing.assert_array_equal(runtime.received[0].tobytes(), image.tobytes("C"))


@pytest.mark.parametrize(
    "shape",
    [(), (1,), (3, 4, 6), (1, 3, 6, 4), (1, 4, 6, 3), (2, 3, 4, 6), (1, 3, 4, 5), (1, 1, 3, 4, 6), (0, 3, 4, 6)],
    ids=str,
)
def test_an_image_of_another_shape_is_refused_naming_both(shape: tuple[int, ...]) -> None:
    runtime = Recorder()
    with pytest.raises(RunError) as refusal:
        runtime.run(np.zeros(shape, np.float32))
    assert str(refusal.value) == (
        f"Recorder 1.0 was given float32{list(shape)}; the artifact declares image: float32[1, 3, 4, 6]."
    )
    assert runtime.received == []


@pytest.mark.parametrize("dtype", ["float16", "float64", "uint8", "int32", "bool", "complex64", ">f4"])
def test_an_image_of_another_type_is_refused_and_never_converted(dtype: str) -> None:
    runtime = Recorder()
    with pytest.raises(RunError, match="the artifact declares image: float32"):
        runtime.run(np.zeros(IMAGE.shape, dtype))
    assert runtime.received == []


@pytest.mark.parametrize("shape", [(), (2,), (2, 1), (1, 3), (1, 1, 2), (0, 2)], ids=str)
def test_an_answer_of_another_shape_is_refused_naming_both(shape: tuple[int, ...]) -> None:
    with pytest.raises(RunError) as refusal:
        Recorder(answer=np.zeros(shape, np.float32)).run(counting(IMAGE.shape))
    assert str(refusal.value) == (
        f"Recorder 1.0 answered with {list(shape)}; the artifact declares features: float32[1, 2]."
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_answer_is_float32(dtype: str) -> None:
    found = Recorder(answer=np.array([[0.5, -2]], dtype)).run(counting(IMAGE.shape))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0.5, -2]])


def test_the_answer_is_a_copy_that_the_next_run_does_not_overwrite() -> None:
    runtime = Recorder(answer=float32([[1, 2]]))
    first = runtime.run(counting(IMAGE.shape))
    runtime.found[...] = 9
    np.testing.assert_array_equal(first, [[1, 2]])
    assert first.flags.writeable


@pytest.mark.parametrize(
    ("inputs", "listed"),
    [((), "nothing"), ((IMAGE, MASK), "image: float32[1, 3, 4, 6], mask: bool[1, 4]")],
    ids=["none", "two"],
)
def test_an_artifact_has_to_take_as_many_inputs_as_there_are(inputs: tuple[TensorSpec, ...], listed: str) -> None:
    with pytest.raises(RunError) as refusal:
        Recorder(inputs=inputs).run(counting(IMAGE.shape))
    assert str(refusal.value) == f"The artifact takes {listed}; one was expected."


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_an_artifact_of_another_floating_type_gets_the_image_converted(dtype: str) -> None:
    runtime = Recorder(inputs=(TensorSpec("image", IMAGE.shape, dtype),))
    runtime.run(np.full(IMAGE.shape, 0.1, np.float32))
    (received,) = runtime.received
    assert received.dtype == dtype


def test_integers_are_converted_to_the_width_that_an_artifact_declares() -> None:
    runtime = Recorder(inputs=(TensorSpec("tokens", (1, 2), "int32"),))
    runtime.run(np.array([[7, 49407]], np.int64))
    assert runtime.received[0].tolist() == [[7, 49407]]
    assert runtime.received[0].dtype == np.int32


def test_integers_are_never_given_for_floats_nor_floats_for_integers() -> None:
    with pytest.raises(RunError, match="was given float32"):
        Recorder(inputs=(TensorSpec("image", IMAGE.shape, "int64"),)).run(counting(IMAGE.shape))


BOTH = Interface((IMAGE, MASK), (TensorSpec("boxes", (1, 4), "float32"), FEATURES))


@pytest.mark.parametrize("inputs", [(IMAGE, MASK), (MASK, IMAGE)], ids=["in order", "swapped"])
def test_several_inputs_are_given_by_name_and_several_outputs_found_by_name(inputs: tuple[TensorSpec, ...]) -> None:
    runtime = Recorder(inputs, (FEATURES, BOTH.outputs[0]), float32([[1, 2, 3, 4]]))
    runtime.interface = BOTH
    boxes, features = runtime.answer([counting(IMAGE.shape), np.ones((1, 4), np.bool_)])
    assert [array.shape for array in runtime.received] == [spec.shape for spec in inputs]
    assert boxes.tolist() == [[1, 2, 3, 4]]
    assert features.tolist() == [[1, 2]]


def test_without_names_inputs_and_outputs_are_known_by_their_places() -> None:
    inputs = (TensorSpec("input0", IMAGE.shape, "float32"), TensorSpec("input1", (1, 4), "bool"))
    outputs = (TensorSpec("output0", (1, 4), "float32"), TensorSpec("output1", (1, 2), "float32"))
    runtime = Recorder(inputs, outputs, float32([[1, 2, 3, 4]]))
    runtime.interface = BOTH
    boxes, features = runtime.answer([counting(IMAGE.shape), np.ones((1, 4), np.bool_)])
    assert (boxes.shape, features.shape) == ((1, 4), (1, 2))


def test_an_input_that_an_artifact_has_dropped_is_not_given() -> None:
    runtime = Recorder((IMAGE,), (FEATURES, BOTH.outputs[0]), float32([[1, 2, 3, 4]]))
    runtime.interface = BOTH
    runtime.answer([counting(IMAGE.shape), np.ones((1, 4), np.bool_)])
    assert [array.shape for array in runtime.received] == [IMAGE.shape]


def test_features_of_several_outputs_are_named_by_their_sample_and_output() -> None:
    runtime = Recorder((IMAGE, MASK), (FEATURES, BOTH.outputs[0]), float32([[1, 2, 3, 4]]))
    runtime.interface = BOTH
    outputs = run(runtime, (Sample("photo", (counting(IMAGE.shape), np.ones((1, 4), np.bool_))),))
    assert list(outputs.features) == ["photo, boxes", "photo, features"]


@pytest.mark.parametrize(
    ("outputs", "listed"),
    [
        ((), "nothing"),
        (
            (TensorSpec("first", (1, 2), "float32"), TensorSpec("second", (1, 9), "float32")),
            "first: float32[1, 2], second: float32[1, 9]",
        ),
    ],
    ids=["none", "two"],
)
def test_several_outputs_are_listed_to_choose_from(outputs: tuple[TensorSpec, ...], listed: str) -> None:
    with pytest.raises(RunError) as refusal:
        Recorder(outputs=outputs).run(counting(IMAGE.shape))
    assert str(refusal.value) == f"The artifact gives {listed}; say which one is to be validated."


@pytest.mark.parametrize("position", [0, 1])
def test_the_output_called_features_is_taken_among_several(position: int) -> None:
    other = TensorSpec("other", (1, 9), "float32")
    runtime = Recorder(outputs=(FEATURES, other) if position == 0 else (other, FEATURES))
    assert runtime.wanted() == (position,)
    assert runtime.run(counting(IMAGE.shape)).shape == FEATURES.shape


def test_output_name_picks_one_of_several() -> None:
    chosen = TensorSpec("chosen", (1, 5), "float32")
    runtime = Recorder(outputs=(FEATURES, chosen), answer=np.zeros((1, 5), np.float32))
    runtime.output_name = "chosen"
    assert runtime.wanted() == (1,)
    assert runtime.run(counting(IMAGE.shape)).shape == (1, 5)


def test_a_single_output_is_taken_whatever_its_name() -> None:
    only = TensorSpec("var_1234", (1, 2), "float32")
    assert Recorder(outputs=(only,)).wanted() == (0,)


def test_an_output_that_was_asked_for_and_does_not_exist_is_not_replaced_by_another() -> None:
    runtime = Recorder(outputs=(TensorSpec("logits", (1, 2), "float32"),))
    runtime.output_name = "embedding"
    with pytest.raises(RunError, match="logits"):
        runtime.run(counting(IMAGE.shape))


def test_outputs_are_named_by_their_sample_and_signed_by_their_producer() -> None:
    images = {"one": counting(IMAGE.shape), "two": -counting(IMAGE.shape)}
    runtime = Recorder()
    outputs = run(runtime, tuple(Sample.of(name, image) for name, image in images.items()))
    assert outputs.producer == "Recorder 1.0"
    assert list(outputs.features) == ["one", "two"]
    for received, image in zip(runtime.received, images.values(), strict=True):
        np.testing.assert_array_equal(received, image)
