"""The content-addressed cache of artifacts: each is made once, by one process, and never half-written.

An entry is a folder named by a digest of everything that decides its content: the case, the weights, the code of the
exporter and the versions of its tools. It is filled under a temporary name and renamed when complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from filelock import FileLock
from pydantic import ValidationError

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.schema import schema
from pe_validate.inputs.cache import default_cache_dir
from pe_validate.inputs.images import Sample
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import load_weights, model_named
from pe_validate.system.errors import ExportError
from pe_validate.system.files import digest, exchange, sync
from pe_validate.system.process import Child, ChildError
from pe_validate.system.sources import code_digest
from pe_validate.targets.recipes import SHARED_MODULES, calibration_images
from pe_validate.targets.registry import file_name, target_of
from pe_validate.targets.worker import build

if TYPE_CHECKING:
    from pe_validate.models.weights import Weights

EXPORT_TIMEOUT = 1800.0
"""In seconds; the largest model takes about a twentieth of it."""


def export(
    case: Case,
    weights: str | Weights = DEFAULT_WEIGHTS,
    cache_dir: Path | None = None,
    calibration: Path | None = None,
) -> Artifact:
    """Return the artifact of ``case`` with ``weights``, from the cache or exported now in a child process.

    ``weights`` is a spec or loaded weights. ``calibration`` is a folder of photographs for precisions that are
    calibrated; by default the project's own are used.

    Raises:
        UsageError, LoadError: ``weights`` or photographs cannot be loaded.
        ExportError: a tool is not installed, the exporter failed, or the cache folder cannot be written.
    """
    if isinstance(weights, str):
        weights = load_weights(case.model, weights)
    folder = cache_dir or default_cache_dir()
    tools = _versions(case)
    images = calibration_images(case, calibration)
    key = _key(case, weights, tools, images)
    with writable(folder), FileLock(folder / f"{key}.lock"):
        found = _stored(folder / key) or _make(case, weights, tools, folder, key, images)
        return replace(found, weights=weights.spec)  # the same tensors may have come from elsewhere


def place(artifact: Artifact, out: Path) -> Artifact:
    """Copy the artifact's file into ``out`` under the name of its case; an older file is replaced atomically.

    Raises:
        ExportError: ``out`` cannot be written.
    """
    target = out / file_name(artifact.case)
    with writable(out), tempfile.TemporaryDirectory(prefix=".pe_validate-", dir=out) as scratch:
        copy = Path(scratch) / target.name
        if artifact.path.is_dir():
            shutil.copytree(artifact.path, copy)
        else:
            shutil.copyfile(artifact.path, copy)
        for file in (*copy.rglob("*"), copy):
            sync(file)
        if copy.is_dir() and target.exists():
            exchange(copy, target)
        else:
            copy.replace(target)
    return replace(artifact, path=target)


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Create ``folder``, and turn every OSError inside the ``with`` into an ExportError.

    Raises:
        ExportError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ExportError(
            f"Cannot write to '{folder}' ({error.strerror or error}): choose another or free some space."
        ) from error


def _versions(case: Case) -> dict[str, str]:
    """Return the versions of the distributions that decide what is written.

    Raises:
        ExportError: one is not installed.
    """
    target = target_of(case)
    try:
        return {name: version(name) for name in target.tools}
    except PackageNotFoundError as error:
        where = f"; it has wheels for {target.wheels}" if target.wheels else ""
        raise ExportError(f"{case} needs '{error.name}', which is not installed: pip install it{where}.") from error


def _make(
    case: Case, weights: Weights, tools: dict[str, str], folder: Path, key: str, images: tuple[Sample, ...]
) -> Artifact:
    for stale in folder.glob(f".{key}-*"):  # left by a process that was killed; we hold the lock
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(prefix=f".{key}-", dir=folder, ignore_cleanup_errors=True) as scratch:
        entry = Path(scratch) / key
        entry.mkdir()
        start = perf_counter()
        log = entry / "export.log"
        log.touch()  # fails here, and not in the child, if the disk is full
        try:
            with Child(log, preload=target_of(case).writers) as child:
                made = child.call(build, EXPORT_TIMEOUT, case, weights.spec, weights.sha256, entry, images)
        except ChildError as error:
            kept = folder / f"{file_name(case)}.failed.log"
            kept.write_bytes(log.read_bytes() if log.exists() else b"")
            raise ExportError(f"Exporting {case} failed: {error}; the exporter's output is in '{kept}'.") from error
        artifact = replace(made, tools=tools, seconds=perf_counter() - start, key=key)
        (entry / "artifact.json").write_bytes(schema(Artifact).dump_json(artifact, indent=1))
        for file in entry.rglob("*"):
            sync(file)
        shutil.rmtree(folder / key, ignore_errors=True)
        entry.rename(folder / key)
        sync(folder)
    return _located(artifact, folder / key)


def _stored(entry: Path) -> Artifact | None:
    """Return the entry's artifact if it is complete, unaltered, and was made for this key."""
    try:
        artifact = _located(schema(Artifact).validate_json((entry / "artifact.json").read_bytes()), entry)
    except (FileNotFoundError, ValidationError):
        return None
    if artifact.key != entry.name or not artifact.path.exists():
        return None
    return artifact if digest(artifact.path) == artifact.sha256 else None


def _located(artifact: Artifact, entry: Path) -> Artifact:
    return replace(artifact, path=entry / artifact.path.name)


def _code(case: Case) -> str:
    """Return the digest of the code that decides what is exported and how it is described."""
    return code_digest((*model_named(case.model).modules, *target_of(case).deciding_modules, *SHARED_MODULES))


def _key(case: Case, weights: Weights, tools: dict[str, str], images: tuple[Sample, ...] = ()) -> str:
    decisive = {"case": str(case), "weights": weights.sha256, "tools": tools, "code": _code(case)}
    if images:
        seen = hashlib.sha256(b"".join(values.tobytes() for sample in images for values in sample.values))
        decisive["calibration"] = seen.hexdigest()
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]
