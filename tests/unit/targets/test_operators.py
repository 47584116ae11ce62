"""The operators of a finished file, counted by type."""

from __future__ import annotations

from pathlib import Path

import pytest

from pe_validate.system.process import Child
from pe_validate.targets.registry import target_named

FOUND = {
    "tiny.onnx": ("onnx", {"Conv": 1, "Reshape": 1, "Gemm": 1}),
    "tiny.pte": ("pte", {"Conv2d": 1, "FullyConnected": 1}),
    "cumsum.pte": ("pte", {"Conv2d": 1, "FullyConnected": 2, "aten::cumsum.out": 1}),
    "tiny.coreml.pte": ("pte-coreml", {"conv": 1, "linear": 1}),
    "tiny-fp32.aimodel": ("coreai", {"conv2d": 1, "reshape": 1}),
}


def operators(target: str, path: Path) -> dict[str, int]:
    return dict(target_named(target).operators(path))


@pytest.mark.parametrize(("name", "target", "expected"), [(name, *found) for name, found in FOUND.items()], ids=FOUND)
def test_operators_are_counted(name: str, target: str, expected: dict[str, int], tiny: Path) -> None:
    with Child() as child:
        found = child.call(operators, 60, target, tiny / name)
    assert expected.items() <= found.items()


def test_a_target_that_does_not_say_has_none(tmp_path: Path) -> None:
    assert target_named("pt2").operators(tmp_path) == {}
