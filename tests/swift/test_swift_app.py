"""The app fits the interfaces of Apple that it uses; and would be told if it did not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from apple_check import MODULES, check
from swift_package import PACKAGE, Swift

STUBS = PACKAGE / "Stubs"
RENEWED = ("AVFoundation", "SwiftUI")
"""Stubs of the app, each after those that it imports."""

CHANGES = {
    "a delegate's method has another label": ("AVFoundation", "didOutput sampleBuffer", "didReceive sampleBuffer"),
    "a property has another type": (
        "AVFoundation",
        "var videoRotationAngle: CGFloat = 0",
        "var videoRotationAngle = 0",
    ),
    "a function gives an optional": (
        "AVFoundation",
        "CVPixelBufferGetWidth(_ buffer: CVPixelBuffer) -> Int ",
        "CVPixelBufferGetWidth(_ buffer: CVPixelBuffer) -> Int? ",
    ),
    "a modifier has no such argument": (
        "SwiftUI",
        "frame(maxWidth: CGFloat?, alignment",
        "frame(width: CGFloat?, alignment",
    ),
    "a closure is given something": (
        "SwiftUI",
        "_ action: @escaping () -> Void",
        "_ action: @escaping (Value) -> Void",
    ),
}
"""The stub that is changed, and what is written instead of what."""


@pytest.mark.parametrize("change", CHANGES)
def test_another_signature_is_noticed_by_the_app(swift: Swift, compiled: Path, tmp_path: Path, change: str) -> None:
    stub, before, after = CHANGES[change]
    stubs, scratch = tmp_path / "stubs", tmp_path / "modules"
    shutil.copytree(compiled, scratch)
    shutil.copytree(STUBS, stubs)
    source = stubs / "App" / f"{stub}.swift"
    content = source.read_text(encoding="utf-8")
    assert before in content
    source.write_text(content.replace(before, after), encoding="utf-8")
    said = check(swift.toolchain, PACKAGE, stubs, scratch, renewed=RENEWED, modules=["PEValidateApp"])
    assert "error:" in said
    assert f"{PACKAGE}/{MODULES['PEValidateApp']}/" in said, said
