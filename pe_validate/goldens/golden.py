"""Goldens: what the model answered, stored, so that any later machine or phone can be held to it.

``golden/manifest.json`` names every file with its sha256 and says what made it; ``golden/<model>/`` holds the
inputs as uint8 images and the features of the float32 model, in a file named by its content. It carries the limits that
a phone judges by, too. The manifest is replaced last, so whatever happens on the way it names files that are there.
Only ``--update`` writes here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pe_validate.case import MATRIX, Case
from pe_validate.data.limits import Limits
from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.limits import tolerance
from pe_validate.gates.verdicts import judge
from pe_validate.goldens.seals import absent, sealed
from pe_validate.inputs.images import Pixels, default_pixels, samples
from pe_validate.measure.budget import PhoneBudget, phone_budgets, table
from pe_validate.models.perception_encoder.vision.config import MODELS, ModelConfig
from pe_validate.models.registry import DEFAULT_WEIGHTS, load_model, load_weights
from pe_validate.models.weights import TRAINED, Weights
from pe_validate.system.errors import GoldenError
from pe_validate.system.files import plain_file, replace_file
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import run

MANIFEST: Final = "manifest.json"
STORED: Final = ("china", "hot-pixel")
"""Inputs that are kept, of those that ``pe-validate run`` uses: a photograph, and what is least like one."""

ROUNDING: Final = 1
"""Levels of 255: a release of Pillow may round a resized pixel the other way, and no further."""


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
    """Sha256 of what verdicts rest on besides: the tables of limits, every fixture, and the costs on arm64."""
    budgets: dict[str, tuple[PhoneBudget, ...]] = field(default_factory=dict, hash=False)
    """What an iPhone may take, by model."""


_MANIFEST = TypeAdapter(Manifest)
_OURS: Final = re.compile("[0-9a-f]{16}")
"""How files of goldens are named, see :func:`_store`."""

_LARGEST_MANIFEST: Final = 2**24
_LARGEST_GOLDEN: Final = 2**26
"""Bytes: some hundred times what they have, and eight times the largest."""


def update(
    folder: Path,
    models: Sequence[str] = tuple(MODELS),
    tell: Callable[[str], None] = lambda model: None,
    weights: str = DEFAULT_WEIGHTS,
) -> None:
    """Compute the goldens of ``models`` and write them, all or none; those of other models stay.

    Stored answers that today's model still gives, to the same images and with the same weights, stay as they are:
    another CPU rounds otherwise. Limits, budgets and seals are today's in any case. ``tell`` is told of each model
    that is begun.

    Raises:
        UsageError, LoadError: the weights cannot be loaded.
        GoldenError: the folder cannot be written, or a model's lies elsewhere.
    """
    _refuse_links(folder)
    try:
        before = read_manifest(folder) if (folder / MANIFEST).exists() else Manifest({}, {})
        entries = dict(before.goldens)
        for model in models:
            tell(model)
            entries[model] = _store(folder, model, load_weights(model, weights), entries.get(model))
        ordered = {model: entries[model] for model in MODELS if model in entries}
        manifest = Manifest(ordered, sealed(folder) | absent(before.sealed), _budgets(ordered))
        replace_file(folder / MANIFEST, _MANIFEST.dump_json(manifest, indent=1) + b"\n")
        named = {folder / entry.file for entry in ordered.values()}
        for stale in set(folder.glob("*/*.safetensors")) - named:
            if stale.parent.name in MODELS and _OURS.fullmatch(stale.stem):
                stale.unlink()
    except OSError as error:
        raise GoldenError(
            f"Cannot write goldens to '{folder}' ({error.strerror or error}); those that were there still are."
        ) from error


def _refuse_links(folder: Path) -> None:
    """Files are replaced and taken away in the folders of models: those must be here, under their own names."""
    for model in MODELS:
        if _resolved(folder / model) != _resolved(folder) / model:
            raise GoldenError(
                f"'{folder / model}' is a link, and files elsewhere would be replaced: put a folder in its place."
            )


def check_seals(folder: Path) -> None:
    """What verdicts rest on must be what it was when the goldens were last written.

    Raises:
        GoldenError: a limit, a fixture or the costs were altered, are missing, unreadable or new.
    """
    before = read_manifest(folder).sealed
    try:
        today = sealed(folder) | absent(before)
    except OSError as error:
        raise GoldenError(f"'{error.filename}' {_trouble(error)}: restore it from version control.") from error
    changed = sorted(name for name in before.keys() | today.keys() if before.get(name) != today.get(name))
    if changed:
        raise GoldenError(
            f"'{changed[0]}' is not what it was when the goldens in '{folder}' were written"
            f"{f', and neither are {len(changed) - 1} others' if changed[1:] else ''}: restore it from version "
            "control, or run 'pe-validate golden --update' and review the difference."
        )


def check(folder: Path, models: Sequence[str] = tuple(MODELS), weights: str | None = None) -> Iterator[Verdict]:
    """Hold the model to its goldens: files unaltered, limits those of the tables, pixels and outputs the same today.

    ``weights`` are those that the goldens were made with; a manifest alone may name only the project's own.

    Raises:
        UsageError, LoadError: the weights cannot be loaded.
        GoldenError: a golden is missing, altered or out of date, or what it rests on is.
    """
    for model in models:
        entry, stored = unaltered(folder, model)
        loaded = load_weights(model, weights or _own(model, entry.weights))
        if loaded.sha256 != entry.weights_sha256:
            raise GoldenError(f"The golden of {model} was made with other weights than '{loaded.spec}' is today.")
        _check_pixels(model, stored.pixels)
        yield judge(Case(model, "eager", "fp32"), "loss", stored.outputs, _answer(model, loaded, stored.pixels))


def _own(model: str, spec: str) -> str:
    """Weights that a manifest names, if to load them reads no other file and asks no other machine."""
    if spec != TRAINED and not spec.startswith("seed:"):
        raise GoldenError(f"The golden of {model} was made with '{spec}': say with --weights where those are.")
    return spec


def unaltered(folder: Path, model: str) -> tuple[Entry, Golden]:
    """One model's golden, and with it everything that was sealed, as they were written; nothing is computed.

    Raises:
        GoldenError: a golden is missing or altered, or its limits, or what it rests on, are not today's.
    """
    check_seals(folder)
    manifest = read_manifest(folder)
    entry = _entry(manifest, model, folder)
    today = {"tolerances.toml": _tolerances(model), "budgets.toml": _budgets([model])}
    carried = {"tolerances.toml": entry.tolerances, "budgets.toml": {model: manifest.budgets.get(model)}}
    for name, limits in today.items():
        if carried[name] != limits:
            raise GoldenError(
                f"The golden of {model} carries other limits than {name}: "
                "run 'pe-validate golden --update' and review the difference."
            )
    return entry, read(folder, model)


def _check_pixels(model: str, stored: dict[str, Pixels]) -> None:
    today = default_pixels(MODELS[model].image_size)
    for name, pixels in stored.items():
        if name not in today:
            raise GoldenError(
                f"The golden of {model} is of an image '{name}', which is none of today's inputs: "
                f"run 'pe-validate golden --update {model}'."
            )
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
    if not _resolved(path).is_relative_to(_resolved(folder)):
        raise GoldenError(f"The manifest in '{folder}' points outside it: '{entry.file}'.")
    try:
        content = plain_file(path, _LARGEST_GOLDEN).read_bytes()
    except OSError as error:
        raise GoldenError(
            f"Golden '{path}' {_trouble(error)}: restore it from version control, or run 'pe-validate golden --update'."
        ) from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise GoldenError(
            f"Golden '{path}' was altered, its sha256 is not the manifest's: restore it from version control."
        )
    try:
        tensors = load(content)
        _check_shapes(tensors, MODELS[model], len(entry.inputs))
        pixels = dict(zip(entry.inputs, tensors["images"], strict=True))
        features = dict(zip(entry.inputs, np.split(tensors["features"], len(entry.inputs)), strict=True))
    except (SafetensorError, KeyError, ValueError) as error:
        raise GoldenError(f"Golden '{path}' does not hold the inputs of its manifest: {error}.") from error
    return Golden(pixels, Outputs(f"golden {entry.sha256[:12]}", features))


def _check_shapes(tensors: Mapping[str, NDArray[np.generic]], config: ModelConfig, count: int) -> None:
    wanted = {
        "images": (np.uint8, (count, config.image_size, config.image_size, 3)),
        "features": (np.float32, (count, *config.output_shape[1:])),
    }
    for name, (dtype, shape) in wanted.items():
        if tensors[name].dtype != dtype or tensors[name].shape != shape or not count:
            raise ValueError(f"'{name}' is {tensors[name].dtype}{list(tensors[name].shape)}")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of goldens.

    Raises:
        GoldenError: it is missing or unreadable.
    """
    path = folder / MANIFEST
    try:
        return _MANIFEST.validate_json(plain_file(path, _LARGEST_MANIFEST).read_bytes())
    except OSError as error:
        raise GoldenError(f"No goldens in '{folder}': '{MANIFEST}' {_trouble(error)}.") from error
    except ValidationError as error:
        raise GoldenError(f"'{path}' is not a manifest of goldens: restore it from version control.") from error


def _trouble(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read ({error.strerror or error})"


def _resolved(path: Path) -> Path:
    """``path`` without links.

    Raises:
        GoldenError: it is no path, or its links lead to themselves.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # the second is a loop before Python 3.13
        raise GoldenError(f"'{path}' leads nowhere ({error}): restore the goldens from version control.") from error


def _entry(manifest: Manifest, model: str, folder: Path) -> Entry:
    if model not in manifest.goldens:
        raise GoldenError(f"'{folder}' has no golden of {model}: run 'pe-validate golden --update {model}'.")
    return manifest.goldens[model]


def _tolerances(model: str) -> dict[str, Limits]:
    cases = [case for case in MATRIX if case.model == model]
    return {f"{case.target}/{case.precision}": tolerance(case, "loss").limit for case in cases}


def _budgets(models: Iterable[str]) -> dict[str, tuple[PhoneBudget, ...]]:
    found = phone_budgets(table().phones)
    return {model: found[model] for model in models}


def _answer(model: str, weights: Weights, pixels: dict[str, Pixels]) -> Outputs:
    return run(EagerRuntime(load_model(model, weights), MODELS[model]), samples(pixels))


def _store(folder: Path, model: str, weights: Weights, before: Entry | None) -> Entry:
    config = MODELS[model]
    available = default_pixels(config.image_size)
    pixels = {name: available[name] for name in STORED}
    outputs = _answer(model, weights, pixels)
    if before and before.weights_sha256 == weights.sha256 and _still(folder, model, pixels, outputs):
        return replace(before, weights=weights.spec, tolerances=_tolerances(model))
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


def _still(folder: Path, model: str, pixels: dict[str, Pixels], outputs: Outputs) -> bool:
    """Whether the stored answers are to these images, and are what the model gives today."""
    try:
        stored = read(folder, model)
    except GoldenError:  # missing or altered: what an update is for
        return False
    same = stored.pixels.keys() == pixels.keys() and all(
        np.array_equal(stored.pixels[name], image) for name, image in pixels.items()
    )
    return same and judge(Case(model, "eager", "fp32"), "loss", stored.outputs, outputs).status == "pass"
