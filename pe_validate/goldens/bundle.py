"""Bundles for a phone: artifacts, the goldens to compare them with, and a manifest of both, in one folder.

``manifest.json`` is the manifest of the goldens with an added ``bundle`` section. The folder is replaced atomically.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.progress import Progress, quiet
from pe_validate.data.schema import schema
from pe_validate.data.tensors import TensorSpec
from pe_validate.goldens import golden
from pe_validate.goldens.seals import COSTS
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.classes import check_classes
from pe_validate.models.perception_encoder.text.phone import LICENCE, TOKENIZER, tokenizer_files
from pe_validate.models.registry import load_weights
from pe_validate.system.errors import ExportError, GoldenError, UsageError
from pe_validate.system.files import exchange, replace_file
from pe_validate.targets.export import place, writable
from pe_validate.targets.registry import file_name
from pe_validate.walk.walk import export_all

CLASSES: Final = "classes.safetensors"
"""File name of a model's table of class embeddings, in the folder of its goldens."""


@dataclass(frozen=True, slots=True)
class BundledArtifact:
    """One artifact, as the bundle describes it to the phone."""

    case: str
    model: str
    target: str
    precision: str
    file: str
    sha256: str
    bytes: int
    input: TensorSpec
    output: TensorSpec
    weights: str
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """The contents of a bundle.

    ``classes`` is the sha256 of each model's table of class embeddings, ``tokenizer`` that of CLIP's tokenizer.
    """

    artifacts: tuple[BundledArtifact, ...]
    classes: dict[str, str]
    tool_versions: dict[str, str]
    tokenizer: str | None = None


@dataclass(frozen=True, slots=True)
class _Section:
    """The section that a bundle adds to the manifest of the goldens."""

    bundle: Bundle


FINDER_FILE: Final = ".DS_Store"
"""A file that the macOS Finder leaves in every folder that it has shown."""


def bundle(
    cases: Sequence[Case],
    out: Path,
    goldens: Path,
    weights: str = DEFAULT_WEIGHTS,
    *,
    classes: Mapping[str, Path] | None = None,
    tokenizer: bool = False,
    calibration: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
    jobs: int = 2,
    files: Mapping[Case, Artifact] = MappingProxyType({}),
) -> Bundle:
    """Export ``cases`` and write them to ``out`` with their goldens; an older bundle stays until this is complete.

    ``classes`` maps models to files of class embeddings; with ``tokenizer`` CLIP's comes too. ``files`` are artifacts
    that someone else made.

    Raises:
        UsageError: ``out`` is not a bundle or holds foreign files, or a table is for a model that is not bundled.
        GoldenError: a golden is missing or altered, or was made with other limits, fixtures or weights.
        LoadError, ExportError: weights or a table cannot be loaded, an export failed, or ``out`` cannot be written.
        SetupError: the tokenizer's vocabulary cannot be had, or a library cleans text in another way.
    """
    _check_replaceable(out)
    models = tuple(dict.fromkeys(case.model for case in cases))
    tables = {model: check_classes(path, model) for model, path in (classes or {}).items()}
    if tables.keys() - set(models):
        raise UsageError(f"Class embeddings are of {min(tables.keys() - set(models))}, which is not bundled.")
    texts = tokenizer_files() if tokenizer else {}
    entries = {model: _golden(goldens, model, weights) for model in models}
    stored = replace(golden.read_manifest(goldens), goldens=entries)
    artifacts = export_all(
        cases, weights, calibration=calibration, cache_dir=cache_dir, progress=progress, jobs=jobs, files=files
    ).values()
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in (*tables.items(), *texts.items())}
    listed = {model: sha256[model] for model in tables}
    bundled = tuple(_bundled(artifact, entries[artifact.case.model].weights) for artifact in artifacts)
    made = Bundle(bundled, listed, _tools(artifacts), sha256.get(TOKENIZER))
    with writable(out.parent), tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        staged = Path(scratch) / out.name
        for artifact in artifacts:
            place(artifact, staged)
        for entry in entries.values():
            replace_file(staged / entry.file, (goldens / entry.file).read_bytes())
        for name, content in ({f"{model}/{CLASSES}": table for model, table in tables.items()} | texts).items():
            replace_file(staged / name, content)
        replace_file(staged / golden.MANIFEST, _manifest(stored, made))
        for model in models:
            golden.read(staged, model)  # the goldens may have changed during the export
        if out.exists():
            exchange(staged, out)
        else:
            staged.rename(out)
    return made


def _check_replaceable(out: Path) -> None:
    """Refuse to replace a folder that is not a bundle, or that holds anything else.

    Raises:
        UsageError: it is not a bundle, or holds a file that the bundle does not list.
        ExportError: it cannot be read.
    """
    try:
        if not out.exists() or (out.is_dir() and not any(out.iterdir())):
            return
        listed = {out / name for name in _listed(out)}
        files = (path for path in sorted(out.rglob("*")) if path.is_symlink() or not path.is_dir())
        foreign = [path for path in files if path.name != FINDER_FILE and listed.isdisjoint((path, *path.parents))]
    except OSError as error:
        raise ExportError(f"Cannot write to '{out}' ({error.strerror or error}): choose another folder.") from error
    except (GoldenError, ValidationError) as error:
        raise UsageError(
            f"'{out}' is not a bundle and would be replaced: name a new folder, or an empty one."
        ) from error
    if foreign:
        raise UsageError(
            f"'{foreign[0]}' is not the bundle's, and all of '{out}' would be replaced: move it or name a new folder."
        )


def _listed(out: Path) -> Iterator[str]:
    """Yield the names of the files and packages that a bundle's manifest lists."""
    entries = golden.read_manifest(out).goldens.values()
    made = schema(_Section).validate_json((out / golden.MANIFEST).read_bytes()).bundle
    yield golden.MANIFEST
    yield from (entry.file for entry in entries)
    yield from (artifact.file for artifact in made.artifacts)
    yield from (f"{model}/{CLASSES}" for model in made.classes)
    yield from (TOKENIZER, LICENCE) if made.tokenizer else ()


def _golden(goldens: Path, model: str, weights: str) -> golden.Entry:
    entry, _ = golden.unaltered(goldens, model)
    if load_weights(model, weights).sha256 != entry.weights_sha256:
        raise GoldenError(
            f"The golden of {model} in '{goldens}' was made with '{entry.weights}' and not with today's '{weights}': "
            f"make others by 'pe-validate golden --update {model} --weights {weights} --dir FOLDER', and name that "
            "folder with --goldens."
        )
    return entry


def _bundled(artifact: Artifact, weights: str) -> BundledArtifact:
    case = artifact.case
    (given,), (answered,) = artifact.inputs, artifact.outputs
    return BundledArtifact(
        case=str(case),
        model=case.model,
        target=case.target,
        precision=case.precision,
        file=file_name(case),
        sha256=artifact.sha256,
        bytes=artifact.size,
        input=given,
        output=answered,
        weights=weights,
        weights_sha256=artifact.weights_sha256,
    )


def _tools(artifacts: Iterable[Artifact]) -> dict[str, str]:
    tools = {"pe-validate": version("pe-validate")}
    for artifact in artifacts:
        tools |= artifact.tools
    return tools


def _manifest(goldens: golden.Manifest, made: Bundle) -> bytes:
    models = goldens.goldens
    sealed = {name: sha256 for name, sha256 in goldens.sealed.items() if name != COSTS}  # no phone is emulated
    held = replace(goldens, sealed=sealed, budgets={model: goldens.budgets[model] for model in models})
    plain = schema(golden.Manifest).dump_python(held, mode="json", exclude_none=True)
    plain |= schema(_Section).dump_python(_Section(made), mode="json", exclude_defaults=True)
    return json.dumps(plain, indent=1).encode() + b"\n"
