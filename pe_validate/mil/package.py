"""A ``.mlpackage`` on disk: its manifest, its specification and its weight files; or a single ``.mlmodel``.

Paths come from files that may be wrong or hostile, so each is resolved and must stay inside the package.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pe_validate.mil.blob import BlobFile
from pe_validate.mil.proto import parse_model
from pe_validate.system.errors import RunError
from pe_validate.system.files import plain_file

_MODEL_PATH: Final = "@model_path/"
_KINDS: Final = {
    "neuralNetwork": "a neural network (Core ML's format before ML Programs)",
    "neuralNetworkClassifier": "a neural network that classifies (Core ML's format before ML Programs)",
    "neuralNetworkRegressor": "a neural network for regression (Core ML's format before ML Programs)",
    "pipeline": "a pipeline of several models",
    "pipelineClassifier": "a pipeline of several models that classifies",
    "pipelineRegressor": "a pipeline of several models for regression",
}
_LARGEST_MANIFEST: Final = 2**20
_LARGEST_MODEL: Final = 2**31 - 1  # protobuf's own limit


class Package:
    """The files of one ``.mlpackage``, or a ``.mlmodel``, which is the specification alone.

    Raises:
        RunError: the package, its ``Manifest.json`` or its ``model.mlmodel`` is missing or unreadable, or it was
            compiled.
    """

    def __init__(self, path: Path) -> None:
        self.label = f"Core ML package '{path}'"
        if path.suffix == ".mlmodelc":
            raise RunError(
                f"'{path}' was compiled for Core ML, which alone reads it; give the .mlpackage that it was made from."
            )
        if path.suffix == ".mlmodel" and path.is_file():
            self.label = f"Core ML model '{path}'"
            self._root = path.resolve().parent
            self._model_file = path.resolve()
        elif path.is_dir():
            self._root = path.resolve()
            self._model_file = self._find_model()
        else:
            raise RunError(f"{self.label} does not exist or is not a folder; export the model first.")
        self._blobs: dict[str, BlobFile] = {}

    def specification(self) -> Any:
        """Return the parsed ``CoreML.Specification.Model`` message.

        Raises:
            RunError: the file is missing or does not hold such a message.
        """
        try:
            return parse_model(plain_file(self._model_file, _LARGEST_MODEL).read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.label} has an unreadable {self._model_file.name} ({error}); export the model again."
            ) from error

    def program(self) -> Any:
        """Return the specification, which holds an ML Program.

        Raises:
            RunError: it holds something else, which the message names, or cannot be read.
        """
        specification = self.specification()
        kind = specification.WhichOneof("Type")
        if kind != "mlProgram":
            what = _KINDS.get(kind, kind) if kind else "no model"
            raise RunError(
                f"{self.label} holds {what}, not an ML Program; convert it again with convert_to='mlprogram'."
            )
        return specification

    def blobs(self, reference: str) -> BlobFile:
        """Return the blob file that a constant refers to, such as ``@model_path/weights/weight.bin``.

        Raises:
            RunError: the reference leaves the package, or the file is missing or broken.
        """
        if reference not in self._blobs:
            if not reference.startswith(_MODEL_PATH):
                raise RunError(
                    f"{self.label} refers to weights by '{reference}', which does not start with '{_MODEL_PATH}'."
                )
            path = self._inside(self._model_file.parent, reference.removeprefix(_MODEL_PATH))
            self._blobs[reference] = BlobFile(path, f"{self.label}: '{reference}'")
        return self._blobs[reference]

    def _find_model(self) -> Path:
        manifest = self._inside(self._root, "Manifest.json")
        try:
            content = json.loads(plain_file(manifest, _LARGEST_MANIFEST).read_bytes())
            relative = content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
            return self._inside(self._root / "Data", relative)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise RunError(
                f"{self.label} has an unreadable Manifest.json ({reason}); export the model again."
            ) from error

    def _inside(self, folder: Path, relative: str) -> Path:
        try:
            path = (folder / relative).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a null byte, a loop of links
            raise RunError(f"{self.label} refers to {relative!r}, which is not a path ({error}).") from error
        if not path.is_relative_to(self._root):
            raise RunError(f"{self.label} refers to '{relative}', which is outside of the package; do not trust it.")
        return path
