"""Does something again and again, is killed at a random moment of it, and looks at what is left.

Run as a script, so that what is imported is imported once: ``killing.py ACTION FOLDER COUNT SEED``. It prints how often
the old and how often the new state was found, and fails with the first that is neither.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import slow_build
import torch
from places import GOLDENS

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.tensors import TensorSpec
from pe_validate.goldens import bundle as bundling
from pe_validate.goldens import golden
from pe_validate.inputs.feed import ImageFeed
from pe_validate.inputs.images import Pixels, default_pixels
from pe_validate.models.registry import load_weights
from pe_validate.system.files import digest, size
from pe_validate.targets import export as cache
from pe_validate.targets.registry import file_name, target_of

MODEL = "PE-Nano"
CASE = Case(MODEL, "mlpackage", "fp16")


def export(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "build", slow_build.slow_build)
        patch.setattr(type(target_of(CASE)), "writers", ())  # the stand-in needs none of them
        cache.export(CASE, load_weights(MODEL, "seed:7"), folder)


def exported(folder: Path) -> str:
    """An entry is there whole, or not at all; what is half-made has another name."""
    entries = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for entry in entries:
        assert cache._stored(entry), f"half an entry: {sorted(entry.rglob('*'))}"
        shutil.rmtree(entry)
        return "new"
    return "old"


def place(folder: Path) -> None:
    entry = folder / "made"
    source, old = (entry / f"{name}.mlpackage" for name in ("source", "old"))
    if not entry.exists():
        for path, byte in ((source, b"n"), (old, b"o")):
            for number in range(30):
                (path / "Data").mkdir(parents=True, exist_ok=True)
                (path / "Data" / str(number)).write_bytes(byte * 20_000)
    artifact = Artifact(CASE, source, digest(source), size(source), (), (), "", "", {}, 0.0)
    cache.place(artifact, folder / "out")


def placed(folder: Path) -> str:
    target = folder / "out" / file_name(CASE)
    states = {digest(folder / "made" / f"{name}.mlpackage"): name for name in ("source", "old")}
    found = states.get(digest(target))
    assert found, "neither the old package nor the new one"
    shutil.rmtree(target)
    shutil.copytree(folder / "made" / "old.mlpackage", target)
    return "new" if found == "source" else "old"


def update(folder: Path) -> None:
    """Other answers than those that are stored: each call adds a pixel to the images."""
    turn = int((folder / "turn").read_text()) if (folder / "turn").exists() else 0

    def brighter(feed: ImageFeed, photographs: Path | None = None) -> dict[str, Pixels]:
        return {name: image // 2 + turn % 100 for name, image in default_pixels(feed.size, photographs).items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageFeed, "pixels", brighter)
        golden.update(folder / "golden", [MODEL])


_manifests: list[bytes] = []


def updated(folder: Path) -> str:
    golden.read(folder / "golden", MODEL)
    now = (folder / "golden" / golden.MANIFEST).read_bytes()
    state = "new" if _manifests and now != _manifests[-1] else "old"
    _manifests.append(now)
    turn = int((folder / "turn").read_text()) if (folder / "turn").exists() else 0
    (folder / "turn").write_text(str(turn + 1))
    return state


def bundle(folder: Path) -> None:
    """Another artifact than the one that is there: each call exports the turn's."""
    turn = (folder / "turn").read_bytes() if (folder / "turn").exists() else b"0"
    source = folder / "made.mlpackage"
    source.mkdir(exist_ok=True)
    for number in range(30):
        (source / str(number)).write_bytes(turn * 20_000)
    spec = (TensorSpec("tensor", (1,), "float32"),)
    weights = load_weights(MODEL, "seed:7")
    artifact = Artifact(CASE, source, digest(source), size(source), spec, spec, weights.spec, weights.sha256, {}, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundling, "export_all", lambda *_, **__: {CASE: artifact})
        bundling.bundle([CASE], folder / "out", GOLDENS)


def bundled(folder: Path) -> str:
    (listed,) = json.loads((folder / "out" / golden.MANIFEST).read_bytes())["bundle"]["artifacts"]
    assert digest(folder / "out" / listed["file"]) == listed["sha256"], "an artifact that its manifest does not know"
    golden.read(folder / "out", MODEL)
    state = "new" if _manifests and listed["sha256"].encode() != _manifests[-1] else "old"
    _manifests.append(listed["sha256"].encode())
    turn = int((folder / "turn").read_text()) if (folder / "turn").exists() else 0
    (folder / "turn").write_text(str((turn + 1) % 10))
    return state


ACTIONS: dict[str, tuple[Callable[[Path], None], Callable[[Path], str]]] = {
    "export": (export, exported),
    "place": (place, placed),
    "update": (update, updated),
    "bundle": (bundle, bundled),
}


def main(action: str, folder: Path, count: int, seed: int) -> None:
    torch.set_num_threads(1)  # a fork has no other threads
    act, look = ACTIONS[action]
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    act_in_fork(act, folder, None)
    longest = time.perf_counter() - start
    look(folder)
    chance, found = random.Random(seed), Counter[str]()
    for _ in range(count):
        act_in_fork(act, folder, chance.uniform(0, 2.5 * longest))
        found[look(folder)] += 1
    print(dict(sorted(found.items())))


def act_in_fork(act: Callable[[Path], None], folder: Path, seconds: float | None) -> None:
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        act(folder)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)  # it alone: what it has started goes on until it sees that
    _, status = os.waitpid(child, 0)
    assert seconds is not None or status == 0


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
