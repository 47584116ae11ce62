"""Goldens: the stored outputs of the float32 model, with which any later machine or phone is compared.

``golden/manifest.json`` lists every file with its sha256 and how it was made, and carries the limits that a phone
judges by. ``golden/<model>/`` holds the inputs, as uint8 images or int32 ids, and the features of the float32 model, in
a file named by a digest of its content. The manifest is replaced last, so it always names files that exist, even after
a crash. Only ``--update`` writes here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pe_validate.case import matrix
from pe_validate.data.case import itself
from pe_validate.data.limits import Limits
from pe_validate.data.outputs import Outputs
from pe_validate.data.schema import schema
from pe_validate.data.verdict import Verdict
from pe_validate.gates.limits import MODEL_ITSELF, form_row
from pe_validate.gates.loss import LOSS
from pe_validate.gates.numbers import judge_numbers
from pe_validate.goldens.inputs import Array, StoredInputs, stored_inputs
from pe_validate.goldens.seals import absent, sealed
from pe_validate.inputs.images import Sample
from pe_validate.measure.budget import PhoneBudget, phone_budgets, table
from pe_validate.models.base import DEFAULT_WEIGHTS, TRAINED
from pe_validate.models.registry import WITH_GOLDENS, load_model, load_weights, model_named
from pe_validate.models.registry import models as known_models
from pe_validate.system.errors import GoldenError
from pe_validate.system.files import plain_file, replace_file
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import run
from pe_validate.targets.registry import target_of

if TYPE_CHECKING:
    from pe_validate.models.weights import Weights

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Golden:
    """One model's stored inputs, of the kind ``kind``, and its outputs."""

    kind: StoredInputs
    inputs: Mapping[str, Array]
    outputs: Outputs

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What the model was given."""
        return _samples(self.kind, self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The entry of one model's golden in the manifest.

    ``image_size`` is there if inputs are images, and ``texts`` has what they say if they are texts.
    """

    file: str
    sha256: str
    weights: str
    weights_sha256: str
    image_size: int | None = None
    output_shape: tuple[int, ...]
    inputs: tuple[str, ...]
    texts: tuple[str, ...] | None = None
    tolerances: dict[str, Limits]
    """Limits on an artifact's loss, by ``target/precision``."""
    tools: dict[str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest: every golden, by model."""

    goldens: dict[str, Entry]
    sealed: dict[str, str]
    """Sha256 of the other files that verdicts depend on: tables of limits, fixtures, and the costs on arm64."""
    budgets: dict[str, tuple[PhoneBudget, ...]] = field(default_factory=dict, hash=False)
    """Latency budgets on iPhones, by model."""


_GOLDEN_STEM: Final = re.compile("[0-9a-f]{16}")
"""The file names (stems) of goldens, see :func:`_store`."""

_LARGEST_MANIFEST: Final = 2**24
_LARGEST_GOLDEN: Final = 2**26
"""Bytes: about a hundred times the usual manifest, and eight times the largest golden."""


def update(
    folder: Path,
    models: Sequence[str] = WITH_GOLDENS,
    tell: Callable[[str], None] = lambda model: None,
    weights: str = DEFAULT_WEIGHTS,
) -> None:
    """Compute the goldens of ``models`` and write all of them or none; those of other models stay.

    Stored outputs stay as they are if today's model, with the same images and weights, still agrees with them: another
    CPU rounds differently. Limits, budgets and seals are always updated. ``tell`` is called with each model's name
    before its golden is computed.

    Raises:
        UsageError, LoadError: the weights cannot be loaded.
        GoldenError: the folder cannot be written, or a model's folder is a link.
    """
    _refuse_links(folder)
    try:
        before = read_manifest(folder) if (folder / MANIFEST).exists() else Manifest({}, {})
        entries = dict(before.goldens)
        for model in models:
            tell(model)
            entries[model] = _store(folder, model, load_weights(model, weights), entries.get(model))
        ordered = {model: entries[model] for model in known_models() if model in entries}
        seals = sealed(folder) | absent(before.sealed)
        # An installation lacks some of the sealed files: the order is that of before wherever it is made.
        seals = {name: seals[name] for name in before.sealed if name in seals} | seals
        manifest = Manifest(ordered, seals, _budgets(ordered))
        replace_file(folder / MANIFEST, schema(Manifest).dump_json(manifest, indent=1, exclude_none=True) + b"\n")
        named = {folder / entry.file for entry in ordered.values()}
        for stale in set(folder.glob("*/*.safetensors")) - named:
            if stale.parent.name in known_models() and _GOLDEN_STEM.fullmatch(stale.stem):
                stale.unlink()
    except OSError as error:
        raise GoldenError(
            f"Cannot write goldens to '{folder}' ({error.strerror or error}); those that were there still are."
        ) from error


def _refuse_links(folder: Path) -> None:
    """Refuse model folders that are links: an update replaces and deletes files in them.

    Raises:
        GoldenError: a model's folder is a link.
    """
    for model in known_models():
        if _resolved(folder / model) != _resolved(folder) / model:
            raise GoldenError(
                f"'{folder / model}' is a link, and files elsewhere would be replaced: put a folder in its place."
            )


def check_seals(folder: Path) -> None:
    """Check that every sealed file is as it was when the goldens were last written.

    Raises:
        GoldenError: a table of limits, a fixture or the file of costs was altered, or is missing, unreadable or new.
    """
    before = read_manifest(folder).sealed
    try:
        today = sealed(folder) | absent(before)
    except OSError as error:
        raise GoldenError(f"'{error.filename}' {_reason(error)}: restore it from version control.") from error
    changed = sorted(name for name in before.keys() | today.keys() if before.get(name) != today.get(name))
    if changed:
        raise GoldenError(
            f"'{changed[0]}' is not what it was when the goldens in '{folder}' were written"
            f"{f', and neither are {len(changed) - 1} others' if changed[1:] else ''}: restore it from version "
            "control, or run 'pe-validate golden --update' and review the difference."
        )


def check(folder: Path, models: Sequence[str] = WITH_GOLDENS, weights: str | None = None) -> Iterator[Verdict]:
    """Check that goldens are unaltered and carry today's limits, and judge today's model by them.

    ``weights`` is the spec of the weights that the goldens were made with. By default it is the manifest's, which may
    only name the project's own weights.

    Raises:
        UsageError, LoadError: the weights cannot be loaded.
        GoldenError: a golden, or a file that it depends on, is missing, altered or out of date.
    """
    for model in models:
        entry, stored = unaltered(folder, model)
        loaded = load_weights(model, weights or _safe_spec(model, entry.weights))
        if loaded.sha256 != entry.weights_sha256:
            raise GoldenError(f"The golden of {model} was made with other weights than '{loaded.lasting}' is today.")
        _check_inputs(model, stored)
        yield judge_model(model, stored.outputs, _answer(model, loaded, stored.samples))


def judge_model(model: str, stored: Outputs, today: Outputs) -> Verdict:
    """Judge the model's outputs on this machine by the stored ones, which another machine may have computed."""
    row = form_row(MODEL_ITSELF, LOSS.name)
    assert row
    return judge_numbers(itself(model), LOSS.name, stored, today, row)


def _safe_spec(model: str, spec: str) -> str:
    """Return a manifest's weights spec if loading it reads no other file and contacts no other machine.

    Raises:
        GoldenError: it names a file or a repository.
    """
    if spec != TRAINED and not spec.startswith("seed:"):
        raise GoldenError(f"The golden of {model} was made with '{spec}': say with --weights where those are.")
    return spec


def unaltered(folder: Path, model: str) -> tuple[Entry, Golden]:
    """Return one model's golden after checking it, its limits and every seal; nothing is computed.

    Raises:
        GoldenError: it is missing or altered, or its limits or a sealed file are not today's.
    """
    check_seals(folder)
    manifest = read_manifest(folder)
    entry = _entry(manifest, model, folder)
    today = {"the tables of limits": _tolerances(model), "budgets.toml": _budgets([model])}
    carried = {"the tables of limits": entry.tolerances, "budgets.toml": {model: manifest.budgets.get(model)}}
    for name, limits in today.items():
        if carried[name] != limits:
            raise GoldenError(
                f"The golden of {model} carries other limits than {name}: "
                "run 'pe-validate golden --update' and review the difference."
            )
    return entry, read(folder, model)


def _check_inputs(model: str, stored: Golden) -> None:
    today = stored.kind.today()
    for name, array in stored.inputs.items():
        if name not in today:
            raise GoldenError(
                f"The golden of {model} is of an input '{name}', which is none of today's: "
                f"run 'pe-validate golden --update {model}'."
            )
        stored.kind.check(model, name, array, today[name])


def read(folder: Path, model: str) -> Golden:
    """Return one model's golden, checked against the manifest.

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
            f"Golden '{path}' {_reason(error)}: restore it from version control, or run 'pe-validate golden --update'."
        ) from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise GoldenError(
            f"Golden '{path}' was altered, its sha256 is not the manifest's: restore it from version control."
        )
    try:
        value, tensors = model_named(model), load(content)
        kind = stored_inputs(value)
        # A user's model knows its outputs once it is loaded.
        answer = value.output.shape if value.outputs else entry.output_shape
        _check_shapes(tensors, kind, len(entry.inputs), answer)
        inputs = dict(zip(entry.inputs, tensors[kind.name], strict=True))
        features = dict(zip(entry.inputs, np.split(tensors["features"], len(entry.inputs)), strict=True))
    except (SafetensorError, KeyError, ValueError) as error:
        raise GoldenError(f"Golden '{path}' does not hold the inputs of its manifest: {error}.") from error
    return Golden(kind, inputs, Outputs(f"golden {entry.sha256[:12]}", features))


def _check_shapes(
    tensors: Mapping[str, NDArray[np.generic]], kind: StoredInputs, count: int, answer: tuple[int, ...]
) -> None:
    wanted = {
        kind.name: (kind.dtype, (count, *kind.shape)),
        "features": (np.float32, (count, *answer[1:])),
    }
    for name, (dtype, shape) in wanted.items():
        if tensors[name].dtype != dtype or tensors[name].shape != shape or not count:
            raise ValueError(f"'{name}' is {tensors[name].dtype}{list(tensors[name].shape)}")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder of goldens.

    Raises:
        GoldenError: it is missing or unreadable.
    """
    path = folder / MANIFEST
    try:
        return schema(Manifest).validate_json(plain_file(path, _LARGEST_MANIFEST).read_bytes())
    except OSError as error:
        raise GoldenError(f"No goldens in '{folder}': '{MANIFEST}' {_reason(error)}.") from error
    except ValidationError as error:
        raise GoldenError(f"'{path}' is not a manifest of goldens: restore it from version control.") from error


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read ({error.strerror or error})"


def _resolved(path: Path) -> Path:
    """Return ``path`` with all links resolved.

    Raises:
        GoldenError: it is not a valid path, or its links form a loop.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop, before Python 3.13
        raise GoldenError(f"'{path}' leads nowhere ({error}): restore the goldens from version control.") from error


def _entry(manifest: Manifest, model: str, folder: Path) -> Entry:
    if model not in manifest.goldens:
        raise GoldenError(f"'{folder}' has no golden of {model}: run 'pe-validate golden --update {model}'.")
    return manifest.goldens[model]


def _tolerances(model: str) -> dict[str, Limits]:
    cases = [case for case in matrix() if case.model == model and target_of(case).replayed]
    return {case.kind: LOSS.tolerance(case).limit for case in cases}


def _budgets(models: Iterable[str]) -> dict[str, tuple[PhoneBudget, ...]]:
    found = phone_budgets(table().phones)
    return {model: found.get(model, ()) for model in models}


def _samples(kind: StoredInputs, inputs: Mapping[str, Array]) -> tuple[Sample, ...]:
    return tuple(kind.sample(name, array) for name, array in inputs.items())


def _answer(model: str, weights: Weights, samples: tuple[Sample, ...]) -> Outputs:
    return run(EagerRuntime(load_model(model, weights), model_named(model)), samples)


def _store(folder: Path, model: str, weights: Weights, before: Entry | None) -> Entry:
    value = model_named(model)
    kind = stored_inputs(value)
    available = kind.today()
    inputs = {name: available[name] for name in kind.chosen()}
    outputs = _answer(model, weights, _samples(kind, inputs))
    if before and before.weights_sha256 == weights.sha256 and _is_current(folder, model, inputs, outputs):
        return replace(before, weights=weights.lasting, tolerances=_tolerances(model))
    content = save(
        {
            kind.name: np.stack(list(inputs.values())),
            "features": np.concatenate(list(outputs.features.values())),
        }
    )
    sha256 = hashlib.sha256(content).hexdigest()
    file = f"{model}/{sha256[:16]}.safetensors"
    replace_file(folder / file, content)
    return Entry(
        file=file,
        sha256=sha256,
        weights=weights.lasting,
        weights_sha256=weights.sha256,
        image_size=kind.image_size,
        output_shape=value.output.shape,
        inputs=tuple(inputs),
        texts=kind.texts(tuple(inputs)),
        tolerances=_tolerances(model),
        tools={name: version(name) for name in ("pe-validate", "torch", "numpy", *kind.tools)},
    )


def _is_current(folder: Path, model: str, inputs: Mapping[str, Array], outputs: Outputs) -> bool:
    """Return whether the stored golden has these inputs, and agrees with the model's outputs today."""
    try:
        stored = read(folder, model)
    except GoldenError:  # missing or altered; the update replaces it
        return False
    same = stored.inputs.keys() == inputs.keys() and all(
        np.array_equal(stored.inputs[name], array) for name, array in inputs.items()
    )
    return same and judge_model(model, stored.outputs, outputs).status == "pass"
