"""Goldens: what the model answered, stored, so that any later machine or phone can be held to it.

``golden/manifest.json`` names every file with its sha256 and says what made it; ``golden/<model>/`` holds the
inputs as uint8 images and the features of the float32 model, in a file named by its content. The manifest is replaced
last, so whatever happens on the way it names files that are there. Only ``--update`` writes here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pe_validate.case import MATRIX, Case
from pe_validate.errors import GoldenError
from pe_validate.export.artifact import digest
from pe_validate.files import fixtures, replace_file
from pe_validate.inputs.images import Pixels, default_pixels, samples
from pe_validate.models.config import MODELS
from pe_validate.models.weights import DEFAULT_WEIGHTS, load_model, load_weights
from pe_validate.runtime import Outputs, run
from pe_validate.runtime.run_eager import EagerRuntime
from pe_validate.tolerance import TABLE, Limits, tolerance
from pe_validate.verdict import Verdict, judge

MANIFEST: Final = "manifest.json"
STORED: Final = ("china", "hot-pixel")
"""Inputs that are kept, of those that ``pe-validate run`` uses: a photograph, and what is least like one."""

ROUNDING: Final = 1
"""Levels of 255: a release of Pillow may round a resized pixel the other way, and no further."""


SEALED: Final = frozenset({"images", "nano"})
"""Folders of fixtures that come with the package."""


@dataclass(frozen=True, slots=True)
class Golden:
    """One model's stored inputs and outputs."""

    pixels: dict[str, Pixels]
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Entry:
    """What the manifest says of one model's golden."""

    file: str
    sha256: str
    weights: str
    weights_sha256: str
    image_size: int
    output_shape: tuple[int, ...]
    inputs: tuple[str, ...]
    tolerances: dict[str, Limits]
    """Limits on an artifact's loss, by ``target/precision``."""
    tools: dict[str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every golden, by model."""

    goldens: dict[str, Entry]
    sealed: dict[str, str]
    """Sha256 of what verdicts rest on besides: the table of limits and every fixture."""


_MANIFEST = TypeAdapter(Manifest)


def update(
    folder: Path, models: Sequence[str] = tuple(MODELS), tell: Callable[[str], None] = lambda model: None
) -> None:
    """Compute and write the goldens of ``models``, all or none; those of other models stay.

    ``tell`` is told of each model that is begun.

    Raises:
        GoldenError: the folder cannot be written.
    """
    entries = read_manifest(folder).goldens if (folder / MANIFEST).exists() else {}
    try:
        for model in models:
            tell(model)
            entries[model] = _store(folder, model)
        ordered = {model: entries[model] for model in MODELS if model in entries}
        replace_file(folder / MANIFEST, _MANIFEST.dump_json(Manifest(ordered, sealed()), indent=1) + b"\n")
        named = {folder / entry.file for entry in ordered.values()}
        for stale in set(folder.glob("*/*.safetensors")) - named:
            stale.unlink()
    except OSError as error:
        raise GoldenError(
            f"Cannot write goldens to '{folder}' ({error.strerror or error}); those that were there still are."
        ) from error


def sealed() -> dict[str, str]:
    """Sha256 of the table of limits and of every fixture, by name."""
    root = fixtures()
    files = {f"fixtures/{path.relative_to(root).as_posix()}": path for path in sorted(root.rglob("*")) if _kept(path)}
    return {name: digest(path) for name, path in (files | {TABLE.name: TABLE}).items()}


def _kept(path: Path) -> bool:
    return path.is_file() and path.parent.name in SEALED and path.suffix not in (".py", ".pyc")


def check_seals(folder: Path) -> None:
    """What verdicts rest on must be what it was when the goldens were last written.

    Raises:
        GoldenError: a limit or a fixture was altered, is missing or is new.
    """
    before, today = read_manifest(folder).sealed, sealed()
    changed = sorted(name for name in before.keys() | today.keys() if before.get(name) != today.get(name))
    if changed:
        raise GoldenError(
            f"'{changed[0]}' is not what it was when the goldens in '{folder}' were written"
            f"{f', and neither are {len(changed) - 1} others' if changed[1:] else ''}: restore it from version "
            "control, or run 'pe-validate golden --update' and review the difference."
        )


def check(folder: Path, models: Sequence[str] = tuple(MODELS)) -> Iterator[Verdict]:
    """Hold the model to its goldens: files unaltered, limits those of the table, pixels and outputs the same today.

    Raises:
        GoldenError: a golden is missing, altered or out of date, or what it rests on is.
    """
    check_seals(folder)
    manifest = read_manifest(folder)
    for model in models:
        entry = _entry(manifest, model, folder)
        stored = read(folder, model)
        if entry.tolerances != _tolerances(model):
            raise GoldenError(
                f"The golden of {model} carries other limits than tolerances.toml: "
                "run 'pe-validate golden --update' and review the difference."
            )
        weights = load_weights(model, entry.weights)
        if weights.sha256 != entry.weights_sha256:
            raise GoldenError(f"The golden of {model} was made with other weights than '{entry.weights}' is today.")
        _check_pixels(model, stored.pixels)
        tower = load_model(model, weights)
        answer = run(EagerRuntime(tower, tower.config), samples(stored.pixels))
        yield judge(Case(model, "eager", "fp32"), "loss", stored.outputs, answer)


def _check_pixels(model: str, stored: dict[str, Pixels]) -> None:
    today = default_pixels(MODELS[model].image_size)
    for name, pixels in stored.items():
        off = int(np.abs(pixels.astype(int) - today[name]).max())
        if off > ROUNDING:
            raise GoldenError(
                f"Preprocessing makes another image of '{name}' than the golden of {model} was made of, a pixel "
                f"differs by {off} of 255: every artifact would be fed what the model was not trained on."
            )


def read(folder: Path, model: str) -> Golden:
    """One model's golden, checked against its manifest.

    Raises:
        GoldenError: it is missing, altered or unreadable.
    """
    entry = _entry(read_manifest(folder), model, folder)
    path = folder / entry.file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise GoldenError(f"The manifest in '{folder}' points outside it: '{entry.file}'.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GoldenError(
            f"Golden '{path}' is missing: restore it from version control, or run 'pe-validate golden --update'."
        ) from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise GoldenError(
            f"Golden '{path}' was altered, its sha256 is not the manifest's: restore it from version control."
        )
    try:
        tensors = load(content)
        pixels = dict(zip(entry.inputs, tensors["images"], strict=True))
        features = dict(zip(entry.inputs, np.split(tensors["features"], len(entry.inputs)), strict=True))
    except (SafetensorError, KeyError, ValueError) as error:
        raise GoldenError(f"Golden '{path}' does not hold the inputs of its manifest: {error}.") from error
    return Golden(pixels, Outputs(f"golden {entry.sha256[:12]}", features))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of goldens.

    Raises:
        GoldenError: it is missing or unreadable.
    """
    path = folder / MANIFEST
    try:
        return _MANIFEST.validate_json(path.read_bytes())
    except OSError as error:
        raise GoldenError(f"No goldens in '{folder}': '{MANIFEST}' is missing.") from error
    except ValidationError as error:
        raise GoldenError(f"'{path}' is not a manifest of goldens: restore it from version control.") from error


def _entry(manifest: Manifest, model: str, folder: Path) -> Entry:
    if model not in manifest.goldens:
        raise GoldenError(f"'{folder}' has no golden of {model}: run 'pe-validate golden --update {model}'.")
    return manifest.goldens[model]


def _tolerances(model: str) -> dict[str, Limits]:
    cases = [case for case in MATRIX if case.model == model]
    return {f"{case.target}/{case.precision}": tolerance(case, "loss").limit for case in cases}


def _store(folder: Path, model: str) -> Entry:
    weights = load_weights(model, DEFAULT_WEIGHTS)
    config = MODELS[model]
    available = default_pixels(config.image_size)
    pixels = {name: available[name] for name in STORED}
    outputs = run(EagerRuntime(load_model(model, weights), config), samples(pixels))
    content = save(
        {
            "images": np.stack(list(pixels.values())),
            "features": np.concatenate(list(outputs.features.values())),
        }
    )
    sha256 = hashlib.sha256(content).hexdigest()
    file = f"{model}/{sha256[:16]}.safetensors"
    replace_file(folder / file, content)
    return Entry(
        file=file,
        sha256=sha256,
        weights=weights.spec,
        weights_sha256=weights.sha256,
        image_size=config.image_size,
        output_shape=config.output_shape,
        inputs=tuple(pixels),
        tolerances=_tolerances(model),
        tools={name: version(name) for name in ("pe-validate", "torch", "numpy", "pillow")},
    )
