"""Prove that a converted Perception Encoder is still the model.

Data walks one way::

    Case ─► model ─► export ─► Artifact ─► runtime ─► Outputs ─► Comparison ─► Verdict ─► report

:func:`validate` is that walk; the other names are its steps. Importing this package imports nothing heavy.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pe_validate.case import MATRIX, Case, select
    from pe_validate.data.artifact import Artifact
    from pe_validate.data.compare import compare
    from pe_validate.data.comparison import Comparison
    from pe_validate.data.result import Result
    from pe_validate.data.verdict import Verdict
    from pe_validate.models.base import Model
    from pe_validate.models.registry import load_model, load_weights
    from pe_validate.targets.coreml.routes import coreml_workarounds
    from pe_validate.targets.export import export
    from pe_validate.targets.open import load, run
    from pe_validate.walk.walk import validate

# ONNX Runtime 1.32 writes a device id into the user's home and sends telemetry unless it is told not to before it is
# loaded. The variable has had two names (microsoft/onnxruntime#29843). Set it to 0 to allow telemetry.
for _name in ("ORT_TELEMETRY_DISABLED", "ORT_DISABLE_TELEMETRY"):
    os.environ.setdefault(_name, "1")

_MODULES = {
    "MATRIX": "case",
    "Case": "case",
    "select": "case",
    "Comparison": "data.comparison",
    "compare": "data.compare",
    "coreml_workarounds": "targets.coreml.routes",
    "Artifact": "data.artifact",
    "export": "targets.export",
    "Model": "models.base",
    "load_model": "models.registry",
    "load_weights": "models.registry",
    "validate": "walk.walk",
    "load": "targets.open",
    "run": "targets.open",
    "Result": "data.result",
    "Verdict": "data.verdict",
}

__all__ = [
    "MATRIX",
    "Artifact",
    "Case",
    "Comparison",
    "Model",
    "Result",
    "Verdict",
    "compare",
    "coreml_workarounds",
    "export",
    "load",
    "load_model",
    "load_weights",
    "run",
    "select",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'pe_validate' has no attribute '{name}'")
    return getattr(import_module(f"pe_validate.{_MODULES[name]}"), name)
