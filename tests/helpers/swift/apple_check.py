"""Type-check what only Apple's systems run, against stubs of the interfaces that it uses.

A stub is Swift of the same name and signatures, or for C a header; nothing of it is ever executed. `canImport` of a
module is true because its stub can be imported.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from swift_toolchain import Toolchain

STUBS: Final = ("CoreAI", "CoreML", "ExecuTorch", "UIKit", "XCTest")
HEADERS: Final = ("Darwin",)
MODULES: Final = {
    "PEValidateCore": "Sources/PEValidateCore",
    "PEValidateRuntimes": "Sources/PEValidateRuntimes",
    "ConversionTests": "Tests/ConversionTests",
    "PEValidateApp": "App",
}
"""Folders of sources by the name of their module, each after those that it imports."""

COMMON: Final = ("-swift-version", "6", "-parse-as-library")


def check(
    toolchain: Toolchain,
    package: Path,
    stubs: Path,
    scratch: Path,
    *,
    renewed: Collection[str] | None = None,
    modules: Collection[str] = tuple(MODULES),
) -> str:
    """What the compiler has against the sources, as an error or a warning; nothing when they fit the stubs.

    ``renewed`` are the stubs that are compiled, where ``scratch`` holds the others already; ``modules`` are checked.
    """
    found = "-I", str(scratch)
    for name in (*STUBS, *_stubs_of_the_app(stubs)) if renewed is None else renewed:
        sources = sorted(stubs.glob(f"{name}/*.swift")) or [stubs / f"App/{name}.swift"]
        # With library evolution enumerations may grow, as Apple's may.
        said = _emit(toolchain, name, sources, scratch, ["-enable-library-evolution", *found], (package, stubs))
        if said.returncode:
            return said.stdout
    headers = [word for name in HEADERS for word in ("-I", str(stubs / name))]
    for name, folder in MODULES.items():
        sources = sorted((package / folder).rglob("*.swift"))
        if name not in modules or not sources:
            continue
        strict = ["-warnings-as-errors", *found, *headers]
        command = ["swiftc", "-typecheck", *COMMON, *strict, "-module-name", name, *map(str, sources)]
        said = toolchain.run(command, package, {}, (stubs, scratch))
        if not said.returncode:
            interface = ["-Xfrontend", "-experimental-skip-all-function-bodies", *strict]
            said = _emit(toolchain, name, sources, scratch, interface, (package, stubs))
        if said.returncode:
            return said.stdout
    return ""


def _stubs_of_the_app(stubs: Path) -> Iterator[str]:
    return (path.stem for path in sorted(stubs.glob("App/*.swift")))


def _emit(
    toolchain: Toolchain, name: str, sources: list[Path], scratch: Path, options: list[str], folders: tuple[Path, Path]
) -> subprocess.CompletedProcess[str]:
    output = ["-o", str(scratch / f"{name}.swiftmodule")]
    command = ["swiftc", "-emit-module", *COMMON, *options, "-module-name", name, *map(str, sources), *output]
    return toolchain.run(command, scratch, {}, folders)
