"""Proof that a converted Perception Encoder is still the model.

Data walks one way::

    Case ─► model ─► export ─► Artifact ─► runtime ─► Outputs ─► Comparison ─► Verdict ─► report

:func:`validate` is that walk; the other names are its steps. Importing this package imports nothing heavy.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pe_validate.case import MATRIX, Case, select
    from pe_validate.compare import Comparison, compare
    from pe_validate.export.artifact import Artifact
    from pe_validate.export.cache import export
    from pe_validate.models.weights import load_model, load_weights
    from pe_validate.pipeline import validate
    from pe_validate.runtime import load, run
    from pe_validate.verdict import Verdict

# ONNX Runtime 1.32 writes a device id into the user's home and reports to its maker unless told before it is loaded;
# the variable has had two names (microsoft/onnxruntime#29843). Whoever wants that sets it to 0.
for _name in ("ORT_TELEMETRY_DISABLED", "ORT_DISABLE_TELEMETRY"):
    os.environ.setdefault(_name, "1")

_HOMES = {
    "MATRIX": "case",
    "Case": "case",
    "select": "case",
    "Comparison": "compare",
    "compare": "compare",
    "Artifact": "export.artifact",
    "export": "export.cache",
    "load_model": "models.weights",
    "load_weights": "models.weights",
    "validate": "pipeline",
    "load": "runtime",
    "run": "runtime",
    "Verdict": "verdict",
}

__all__ = [
    "MATRIX",
    "Artifact",
    "Case",
    "Comparison",
    "Verdict",
    "compare",
    "export",
    "load",
    "load_model",
    "load_weights",
    "run",
    "select",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'pe_validate' has no attribute '{name}'")
    return getattr(import_module(f"pe_validate.{_HOMES[name]}"), name)


class _FrontDoor(ModuleType):
    """Importing a submodule binds it on its package; where a function has the same name, the function stays."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor
