"""What only Apple's systems run fits the interfaces that it uses; and would be told if it did not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from apple_check import MODULES, check
from apple_check import STUBS as APPLE_STUBS
from swift_package import PACKAGE, Swift

STUBS = PACKAGE / "Stubs"

CHANGES = {
    "a method has another name": ("ExecuTorch", "PEValidateRuntimes", "func forward<", "func infer<"),
    "an argument has another label": ("ExecuTorch", "PEValidateRuntimes", "filePath: String", "path: String"),
    "an argument has another type": ("CoreML", "PEValidateRuntimes", "S, shape: [Int]", "S, shape: [NSNumber]"),
    "an array has no such numbers": ("CoreML", "PEValidateRuntimes", "extension Int32: MLS", "extension Int64: MLS"),
    "a tensor has no such numbers": ("ExecuTorch", "PEValidateRuntimes", "extension Int32: S", "extension Int64: S"),
    "a value is another one's": ("CoreAI", "PEValidateRuntimes", "var ndArray: NDArray?", "var array: NDArray?"),
    "a preset has another name": ("CoreAI", "PEValidateRuntimes", "static let cpuOnly", "static let onlyCPU"),
    "a function is never missing": ("CoreAI", "PEValidateRuntimes", "-> InferenceFunction?", "-> InferenceFunction"),
    "a function cannot be sent": ("CoreAI", "PEValidateRuntimes", "Function: Sendable", "Function"),
    "a function is asynchronous": ("CoreML", "PEValidateRuntimes", "throws -> URL", "async throws -> URL"),
    "an enumeration has no such case": ("UIKit", "PEValidateCore", "nominal, fair", "nominal, warm"),
    "a constant has another type": ("Darwin", "PEValidateCore", "KERN_SUCCESS 0", 'KERN_SUCCESS "0"'),
    "a block takes no argument": ("XCTest", "ConversionTests", "(any XCTActivity) throws", "() throws"),
}
"""The stub that is changed, the module that must notice, and what is written instead of what."""


def test_engines_and_tests_fit_the_interfaces_of_apple_and_executorch(checked: tuple[Path, str]) -> None:
    assert checked[1] == ""


@pytest.mark.parametrize("change", CHANGES)
def test_another_signature_is_noticed(swift: Swift, compiled: Path, tmp_path: Path, change: str) -> None:
    stub, module, before, after = CHANGES[change]
    stubs, scratch = tmp_path / "stubs", tmp_path / "modules"
    shutil.copytree(compiled, scratch)
    shutil.copytree(STUBS, stubs)
    (source,) = (path for path in (stubs / stub).iterdir() if before in path.read_text(encoding="utf-8"))
    source.write_text(source.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    renewed = [stub] if stub in APPLE_STUBS else []
    said = check(swift.toolchain, PACKAGE, stubs, scratch, renewed=renewed, modules=[module])
    assert "error:" in said
    assert f"{PACKAGE}/{MODULES[module]}/" in said, said
