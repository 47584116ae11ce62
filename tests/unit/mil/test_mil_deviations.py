"""Known deviations of Core ML's own runtime: told where they may occur and nowhere else, and computed if asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pe_validate.mil import load
from pe_validate.mil.deviations import DEVIATIONS, found_in

Save = Callable[..., Path]

POOL = {"kernel_sizes": [2, 2], "strides": [3, 3], "pad_type": "valid", "ceil_mode": True}
GRID = np.arange(49, dtype=np.float32).reshape(1, 1, 7, 7)


def pool(mb: Any, **changes: Any) -> Callable[..., Any]:
    return lambda x: mb.avg_pool(x=x, name="y", **POOL | changes)


def power(mb: Any, base: Any) -> Callable[..., Any]:
    return lambda x: mb.pow(x=x if base is None else np.float32(base), y=x, name="y")


def answers(path: Path, x: np.ndarray, *, deviations: bool) -> list[float]:
    found: list[float] = load(path, deviations=deviations).predict({"x": x})["y"].ravel().tolist()
    return found


def test_windows_beyond_the_edge_are_divided_as_documented_and_if_asked_as_reported(
    save_program: Save, mb: Any, tmp_path: Path
) -> None:
    path = save_program(pool(mb), {"x": GRID.shape}, tmp_path / "m.mlpackage")
    assert answers(path, GRID, deviations=False) == [4, 7, 9.5, 25, 28, 30.5, 42.5, 45.5, 48]
    assert answers(path, GRID, deviations=True) == [4, 7, 4.75, 25, 28, 15.25, 21.25, 22.75, 12]
    (note,) = found_in(path)
    assert note.startswith("Known deviation, not judged: 'avg_pool' ('y') has windows that hang over the edge")
    assert "https://github.com/apple/coremltools/issues/2772" in note


def test_windows_in_one_dimension_deviate_too(save_program: Save, mb: Any, tmp_path: Path) -> None:
    build = pool(mb, kernel_sizes=[2], strides=[3])
    path = save_program(build, {"x": (1, 1, 7)}, tmp_path / "m.mlpackage")
    line = np.arange(7, dtype=np.float32).reshape(1, 1, 7)
    assert answers(path, line, deviations=False) == [0.5, 3.5, 6]
    assert answers(path, line, deviations=True) == [0.5, 3.5, 3]
    assert len(found_in(path)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"ceil_mode": False},
        {"exclude_padding_from_average": True},
        {"kernel_sizes": [1, 1]},
        {"pad_type": "custom", "pad": [1, 1, 1, 1], "kernel_sizes": [3, 3]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_other_pools_are_not_told_of(save_program: Save, mb: Any, tmp_path: Path, changes: dict[str, Any]) -> None:
    path = save_program(pool(mb, **changes), {"x": GRID.shape}, tmp_path / "m.mlpackage")
    assert found_in(path) == ()
    assert answers(path, GRID, deviations=True) == answers(path, GRID, deviations=False)


def test_a_power_of_two_is_computed_as_documented_and_if_asked_as_reported(
    save_program: Save, mb: Any, tmp_path: Path
) -> None:
    path = save_program(power(mb, 2), {"x": (4,)}, tmp_path / "m.mlpackage")
    exponents = np.array([0, 1, 3, -1.5], np.float32)
    assert answers(path, exponents, deviations=False) == pytest.approx([1, 2, 8, 2**-1.5])
    assert answers(path, exponents, deviations=True) == [0, 1, 9, 2.25]
    (note,) = found_in(path)
    assert "'pow' ('y') has the constant 2 as its base" in note
    assert "which nobody confirmed here" in note


@pytest.mark.parametrize("base", [3.0, None], ids=["another", "computed"])
def test_other_bases_are_not_told_of(save_program: Save, mb: Any, tmp_path: Path, base: float | None) -> None:
    path = save_program(power(mb, base), {"x": (3,)}, tmp_path / "m.mlpackage")
    exponents = np.array([2, 1, 3], np.float32)
    assert found_in(path) == ()
    assert answers(path, exponents, deviations=True) == answers(path, exponents, deviations=False)


def test_every_deviation_names_where_it_was_reported() -> None:
    assert len({deviation.operator for deviation in DEVIATIONS}) == len(DEVIATIONS)
    assert all(source.startswith("https://") for deviation in DEVIATIONS for source in deviation.sources)
    assert all(deviation.sources for deviation in DEVIATIONS)
