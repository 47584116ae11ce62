"""Zero-shot accuracy of a phone's whole chain: PE-Nano's artifact for images, its text tower's for prompts.

``PYTHONPATH=tests/helpers python tests/benchmarks/zero_shot.py`` writes PE-Nano's thousand held-out images into folders
of classes, has ``pe-validate accuracy`` recognise them by both artifacts of each target and precision, with trained
weights, and prints a table, in Markdown. Exit code 1: a chain recognises fewer than 80 %, or an accuracy fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from labelled import CLASSES, write_folders

from pe_validate.case import matrix

IMAGES: Final = 1000
LEAST: Final = 0.8
"""The fraction of images that each chain must recognise."""


def recognised(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the report says of PyTorch and of the chain of a ``target/precision``."""
    words = ("accuracy", "set", f"PE-Nano/{kind}", "--with", f"PE-Nano-text/{kind}", "--labels", "labels.txt")
    command = [sys.executable, "-m", "pe_validate", *words, "--weights", "trained", "--quiet", "--report", kind]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode > 1:
        sys.exit(f"{kind}: {done.stderr}")
    eager, chain = json.loads((folder / kind / "accuracy.json").read_bytes())["rows"]
    return eager, chain


def main() -> None:
    """Print the table."""
    print("| image and text in | top-1 of both | of PyTorch | points | lost / won | p | result |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    red = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_folders(folder / "set", IMAGES)
        (folder / "labels.txt").write_text("\n".join(name.lower() for name in CLASSES), encoding="utf-8")
        for kind in [case.kind for case in matrix() if case.model == "PE-Nano"]:
            eager, chain = recognised(folder, kind)
            change, top1 = chain["change"], chain["top1"]["right"] / IMAGES
            red |= top1 < LEAST or chain["outcome"] == "fail"
            print(
                f"| {kind} | {top1:.1%} | {eager['top1']['right'] / IMAGES:.1%} "
                f"| {change['points']:+.2f} ({change['low']:+.2f} – {change['high']:+.2f}) "
                f"| {len(change['lost'])} / {len(change['won'])} | {change['p']:.2g} | {chain['outcome']} |",
                flush=True,
            )
    sys.exit(int(red))


if __name__ == "__main__":
    main()
