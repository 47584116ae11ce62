"""Read weights by spec: ``seed:7``, ``trained``, ``file:PATH`` or ``hf:REPO[@REVISION][:FILE]``.

``seed:7+outliers`` is ``seed:7`` with outliers, which are hard to quantise; ``trained`` is the weights of PE-Nano that
come with the project. Checkpoints are never executed: a ``.safetensors`` file holds no code, and anything else is read
by ``torch.load`` with ``weights_only=True``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pe_validate.models.base import EMA, TRAINED
from pe_validate.models.checkpoints import Fit, Resample, as_they_are, fit
from pe_validate.system.errors import LoadError, UsageError, first_line
from pe_validate.system.process import memory_limited

SPECS = ("'seed:N'", "'seed:N+outliers'", "'trained'", "'file:PATH'", "'hf:REPO[@REVISION][:FILE]'")

INDEX = "model.safetensors.index.json"
INDEX_SUFFIX = ".safetensors.index.json"
"""The name of the index of a sharded checkpoint in its folder, and how such names end."""

READ_ERRORS = (
    SafetensorError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)
"""Exceptions that the readers were seen to raise for files that are truncated or altered."""

_READ_OVERHEAD = 2**28
"""Bytes of memory that reading a checkpoint may take besides its tensors."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A float32 state dict that fits one model, with its spec and its identity.

    ``sha256`` covers the names in sorted order, each name's UTF-8 bytes followed by its tensor's contiguous
    little-endian float32 bytes; it does not depend on the file that held them.
    """

    spec: str
    sha256: str
    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()
    """What was taken of a checkpoint, and what was left alone, where that is not all of it."""
    asked: str = ""
    """The spec that was asked for, where ``spec`` is good for the children of this process alone."""

    @property
    def lasting(self) -> str:
        """The spec by which another process loads the same."""
        return self.asked or self.spec


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a model's weights.

    ``expected`` maps its tensors' names to tensors of the right shape; their values do not matter. ``seeded`` makes the
    tensors for a seed and a family (``""`` or ``outliers``). ``trained`` returns the tensors that come with the
    project. ``resample`` and ``told`` are as in :func:`~pe_validate.models.checkpoints.fit`.
    """

    model: str
    expected: Mapping[str, Tensor]
    seeded: Callable[[int, str], dict[str, Tensor]] | None = None
    families: tuple[str, ...] = ("",)
    trained: Callable[[], Mapping[str, Tensor]] | None = None
    resample: Resample = as_they_are
    told: tuple[str, ...] = ()


def read_weights(spec: str, sources: Sources) -> Weights:
    """Read the weights that ``spec`` names, and check that they fit the model.

    Raises:
        UsageError: ``spec`` is not valid.
        LoadError: the file is missing, damaged, or not this model's.
    """
    kind, _, rest = spec.partition(":")
    seed, _, family = rest.partition("+")
    known = family in sources.families and rest == seed + "+" * bool(family) + family
    if kind == "seed" and sources.seeded and re.fullmatch("[0-9]{1,10}", seed) and int(seed) < 2**32 and known:
        tensors = sources.seeded(int(seed), family)
        return Weights(spec, weights_digest(tensors), tensors)
    content: Mapping[str, object]
    if spec == TRAINED and sources.trained:
        content, ema = sources.trained(), False
    elif kind == "file" and rest:
        content, ema = _read_named(rest)
    elif kind == "hf" and rest:
        source, _, file = rest.removesuffix(EMA).partition(":")
        repo, _, revision = source.partition("@")
        content = _read(_download(repo, file or f"{repo.rpartition('/')[2]}.pt", revision or None))
        ema = rest.endswith(EMA)
    else:
        raise UsageError(f"Weights '{spec}' are not {', '.join(SPECS[:-1])} or {SPECS[-1]}.")
    found = fit(content, sources.expected, sources.model, spec, ema=ema, resample=sources.resample, told=sources.told)
    return Weights(spec, weights_digest(found.tensors), found.tensors, found.notes)


def read_file(file: str, expected: Mapping[str, Tensor], model: str) -> Fit:
    """Return the tensors of a checkpoint that fit ``expected``; ``file`` is as after ``file:``.

    Raises:
        LoadError: the file is missing, damaged, or not this model's.
    """
    content, ema = _read_named(file)
    return fit(content, expected, model, file, ema=ema)


def tensors_in(path: Path) -> dict[str, Tensor]:
    """Return the tensors at the top level of a checkpoint.

    Raises:
        LoadError: the file is missing or damaged.
    """
    return {name: each for name, each in _read(path).items() if isinstance(each, Tensor)}


def _read_named(rest: str) -> tuple[Mapping[str, object], bool]:
    """Read the file or the folder of a spec; ``+ema`` after its name asks for the moving average of the weights."""
    path = Path(rest).expanduser()
    if not path.exists() and rest.endswith(EMA):
        return _read(Path(rest.removesuffix(EMA)).expanduser()), True
    return _read(path), False


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of a state dict, as :class:`Weights` defines it."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].numpy().astype("<f4", copy=False).data)
    return total.hexdigest()


def _download(repo: str, file: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repo, file, revision=revision))
    except (LocalEntryNotFoundError, OSError) as error:
        if isinstance(error, HfHubHTTPError):
            reason = "the hub refused it (no such repository or file, or its licence was not accepted)"
        else:
            reason = "the hub cannot be reached and it is not in the local cache"
        raise LoadError(
            f"Cannot fetch '{file}' of '{repo}': {reason}; download the file elsewhere and pass "
            f"--weights file:PATH, or accept the licence and run 'hf auth login'."
        ) from error
    except HFValidationError as error:
        raise UsageError(
            f"'{repo}' is not a Hugging Face repository: write hf:OWNER/NAME[@REVISION][:FILE]."
        ) from error


def _read(path: Path) -> Mapping[str, object]:
    index = path / INDEX if path.is_dir() else path
    if index.name.endswith(INDEX_SUFFIX):
        return _read_shards(index)
    if not path.is_file():
        raise LoadError(f"No checkpoint at '{path}': check the path after 'file:'.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        archived = zipfile.is_zipfile(path)
        if archived:
            with zipfile.ZipFile(path) as archive:
                if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                    raise LoadError(
                        f"Checkpoint '{path}' is a compressed archive, which may unpack to any size: save the tensors "
                        "alone, as .safetensors or with torch.save(model.state_dict(), …)."
                    )
        with memory_limited(2 * path.stat().st_size + _READ_OVERHEAD), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; a file that cannot be read is an error below
            # Memory-mapped, so that tensors take no more memory than the file has bytes, whatever it declares. Other
            # values in a pickle have no such bound (five bytes make a bytearray of any size), hence the memory limit.
            with torch.serialization.safe_globals([argparse.Namespace]):  # the options of a training script: plain data
                content = torch.load(path, map_location="cpu", weights_only=True, mmap=archived)
    except READ_ERRORS as error:
        raise LoadError(
            f"Checkpoint '{path}' cannot be read, it is truncated or damaged: {first_line(error)}."
        ) from error
    except pickle.UnpicklingError as error:
        raise LoadError(
            f"Checkpoint '{path}' is not a plain state dict, and code in it will not be run: "
            "save the tensors alone, as .safetensors or with torch.save(model.state_dict(), …)."
        ) from error
    if not isinstance(content, Mapping):
        raise LoadError(f"Checkpoint '{path}' holds a {type(content).__name__}, not a state dict.")
    return content


def _read_shards(index: Path) -> dict[str, object]:
    """Read a sharded checkpoint: an index of Hugging Face's form, and the ``.safetensors`` files beside it.

    Raises:
        LoadError: the index or a file is missing or damaged, or lies elsewhere.
    """
    try:
        files = set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoadError(f"'{index}' is no index of a sharded checkpoint: name its folder or one file.") from error
    if strange := [file for file in files if not isinstance(file, str) or Path(file).name != file]:
        raise LoadError(f"'{index}' names '{strange[0]}', which is no file beside it.")
    found: dict[str, object] = {}
    for file in sorted(files):
        found |= _read(index.parent / file)
    return found
