"""Exports in another process, to be raced and killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

from pe_validate.case import Case

EXPORT = """
import json, sys
from pathlib import Path
from types import ModuleType
from pe_validate.case import select
from pe_validate.targets.export import export
from pe_validate.models.registry import load_weights
if __name__ == "__main__":
    (case,) = select([sys.argv[1]])
    artifact = export(case, load_weights(case.model, "seed:7"), Path(sys.argv[2]))
    about = artifact.path.stat()
    print(json.dumps([str(artifact.path), artifact.seconds, about.st_ino, about.st_mtime_ns]))
"""


def start_export(case: Case, cache: Path) -> subprocess.Popen[str]:
    """Another process that exports ``case`` and prints what it got."""
    command = [sys.executable, "-c", EXPORT, str(case), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def modules_that_write(target: str, folder: Path) -> set[str]:
    """Modules of ``targets`` and ``mil`` that compute, of those that are there when ``target`` has written a tiny file.

    To be called in a child that has imported nothing else.
    """
    import numpy as np
    import torch
    from tiny_artifacts import METADATA, tiny_module

    from pe_validate.targets.base import Example
    from pe_validate.targets.registry import target_named

    value, image = target_named(target), torch.zeros(1, 3, 32, 32)
    precision, recipe = next(iter(value.precisions.items()))
    path = folder / f"tiny{value.suffix}"
    module = recipe.scheme.apply(tiny_module(), [(np.zeros(image.shape, np.float32),)])
    value.write(module, Example.of(image), path, METADATA, precision)
    value.delegation(path)
    return _computing("targets", "mil")


def modules_that_load(model: str) -> set[str]:
    """Modules of ``models`` that compute, of those that are there when a model is loaded and rewritten in every form.

    To be called in a child that has imported nothing else.
    """
    from pe_validate.data.recipe import FUSED, HALF, LINEAR
    from pe_validate.models.registry import load_model, model_named

    loaded = load_model(model, "seed:7+outliers")
    for form in (FUSED, LINEAR, HALF):
        model_named(model).deployable(loaded, form)
    return _computing("models")


def _computing(*rooms: str) -> set[str]:
    """Modules of ``rooms`` that have taken something from torch or from a target's tools."""
    tools = {"torch", "executorch", "coremltools", "onnx", "torchao"}
    inside = tuple(f"pe_validate.{room}." for room in rooms)
    found = {name: module for name, module in sys.modules.items() if name.startswith(inside)}
    return {name for name, module in found.items() if tools & set(map(_root, vars(module).values()))}


def _root(value: object) -> str:
    named = getattr(value, "__name__", "") if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    return str(named).partition(".")[0]
