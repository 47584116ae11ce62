"""The strategies draw what they promise; each kind can show what it was made for."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from pe_validate.inputs import strategies
from pe_validate.inputs.strategies import KINDS, LAYOUTS, Drawn, Kind

SIZE = 48


@pytest.mark.parametrize("kind", [*KINDS, strategies.images], ids=lambda kind: kind.__name__)
def test_draws_normalised_images(kind: Kind) -> None:
    @given(kind(SIZE))
    def normalised(drawn: Drawn) -> None:
        assert drawn.image.shape == (1, 3, SIZE, SIZE)
        assert drawn.image.dtype == np.float32
        assert np.abs(drawn.image).max() <= 1

    normalised()


@given(st.data())
def test_the_recipe_names_the_image(data: st.DataObject) -> None:
    first, second = data.draw(strategies.images(SIZE)), data.draw(strategies.images(SIZE))
    assert repr(first) != repr(second) or np.array_equal(first.image, second.image)


WANTED: list[tuple[Kind, str, Callable[[Drawn], bool]]] = [
    (strategies.images, "a flat image", lambda d: np.ptp(d.image) == 0),
    (strategies.images, "a saturated image", lambda d: bool((np.abs(d.image) == 1).all() and np.ptp(d.image) > 0)),
    (strategies.images, "a single lit pixel", lambda d: int((d.image == 1).sum()) == 1),
    (strategies.photograph_crops, "a mirrored crop", lambda d: "mirrored True" in d.recipe),
    (strategies.checkerboards, "edges at every pixel", lambda d: bool((d.image[..., :-1] != d.image[..., 1:]).all())),
    (strategies.gradients, "a ramp down the image", lambda d: d.image[0, 0, -1, 0] - d.image[0, 0, 0, 0] > 0.5),
]


@pytest.mark.parametrize(("kind", "what", "is_it"), WANTED, ids=[what for _, what, _ in WANTED])
def test_can_draw(kind: Kind, what: str, is_it: Callable[[Drawn], bool]) -> None:
    assert is_it(find(kind(SIZE), is_it)), what


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_changes_memory_and_not_values(layout: str) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, SIZE, SIZE)).astype(np.float32)
    laid_out = LAYOUTS[layout](image)
    assert np.array_equal(laid_out, image)
    assert (laid_out.strides == image.strides) == (layout == "contiguous")
