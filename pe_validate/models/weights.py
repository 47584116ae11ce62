"""Read weights by spec: ``seed:7``, ``trained``, ``file:PATH`` or ``hf:REPO[@REVISION][:FILE]``.

``seed:7+outliers`` is ``seed:7`` with outliers, which are hard to quantise; ``trained`` is the weights of PE-Nano that
come with the project. Checkpoints are never executed: a ``.safetensors`` file holds no code, and anything else is read
by ``torch.load`` with ``weights_only=True``.
"""

from __future__ import annotations

import hashlib
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

from pe_validate.models.base import TRAINED
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.system.process import memory_limited

SPECS = ("'seed:N'", "'seed:N+outliers'", "'trained'", "'file:PATH'", "'hf:REPO[@REVISION][:FILE]'")

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

_MOST_LISTED = 12
"""The most mismatches that an error message lists."""

_READ_OVERHEAD = 2**28
"""Bytes of memory that reading a checkpoint may take besides its tensors."""

NESTING_KEYS = ("state_dict", "weights")
"""Keys under which training code is known to nest the state dict."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A float32 state dict that fits one model, with its spec and its identity.

    ``sha256`` covers the names in sorted order, each name's UTF-8 bytes followed by its tensor's contiguous
    little-endian float32 bytes; it does not depend on the file that held them.
    """

    spec: str
    sha256: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a model's weights.

    ``expected`` maps its tensors' names to tensors of the right shape; their values do not matter. ``seeded`` makes the
    tensors for a seed and a family (``""`` or ``outliers``). ``trained`` returns the path of the weights that come with
    the project. ``prefix`` precedes this model's names in a checkpoint that holds other models too.
    """

    model: str
    expected: Mapping[str, Tensor]
    seeded: Callable[[int, str], dict[str, Tensor]] | None = None
    families: tuple[str, ...] = ("",)
    trained: Callable[[], Path] | None = None
    prefix: str = ""


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
    elif spec == TRAINED and sources.trained:
        tensors = _fitted(_read(sources.trained()), sources, spec)
    elif kind == "file" and rest:
        tensors = _fitted(_read(Path(rest).expanduser()), sources, spec)
    elif kind == "hf" and rest:
        source, _, file = rest.partition(":")
        repo, _, revision = source.partition("@")
        path = _download(repo, file or f"{repo.rpartition('/')[2]}.pt", revision or None)
        tensors = _fitted(_read(path), sources, spec)
    else:
        raise UsageError(f"Weights '{spec}' are not {', '.join(SPECS[:-1])} or {SPECS[-1]}.")
    return Weights(spec, weights_digest(tensors), tensors)


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


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, whatever model they belong to.

    Raises:
        LoadError: the file is missing or damaged.
    """
    return _unnested(_read(path), "")


def _read(path: Path) -> Mapping[str, object]:
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
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=archived)
    except READ_ERRORS as error:
        raise LoadError(
            f"Checkpoint '{path}' cannot be read, it is truncated or damaged: {_first_line(error)}."
        ) from error
    except pickle.UnpicklingError as error:
        raise LoadError(
            f"Checkpoint '{path}' is not a plain state dict, and code in it will not be run: "
            "save the tensors alone, as .safetensors or with torch.save(model.state_dict(), …)."
        ) from error
    if not isinstance(content, Mapping):
        raise LoadError(f"Checkpoint '{path}' holds a {type(content).__name__}, not a state dict.")
    return content


def _fitted(content: Mapping[str, object], sources: Sources, spec: str) -> dict[str, Tensor]:
    """Return the tensors of ``content`` under the model's own names, in float32.

    Raises:
        LoadError: they do not fit the model.
    """
    found, expected = _unnested(content, sources.prefix), sources.expected
    problems = [f"missing {name}" for name in expected if name not in found]
    problems += [f"surplus {name}" for name in found if name not in expected]
    problems += [
        f"{name} is not a plain tensor of floating-point numbers"
        for name in expected
        if name in found and not _is_plain(found[name])
    ]
    problems += [
        f"mis-shaped {name} {list(found[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and _is_plain(found[name]) and found[name].shape != tensor.shape
    ]
    if problems:
        listed = "; ".join(problems[:_MOST_LISTED]) + (
            f"; and {len(problems) - _MOST_LISTED} more" if len(problems) > _MOST_LISTED else ""
        )
        raise LoadError(f"'{spec}' is not a {sources.model}; {len(problems)} tensors disagree: {listed}.")
    return {name: found[name].detach().to(torch.float32, copy=True).contiguous() for name in expected}


def _is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor is dense, on the CPU and floating-point: not sparse, nested, quantised or on "meta"."""
    dense = tensor.layout is torch.strided and not tensor.is_nested and tensor.device.type == "cpu"
    return dense and tensor.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _unnested(content: Mapping[str, object], prefix: str) -> dict[str, Tensor]:
    for nest in NESTING_KEYS:
        if isinstance(inner := content.get(nest), Mapping):
            content = inner
    tensors = {
        name.removeprefix("module."): value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    own = {name.removeprefix(prefix): t for name, t in tensors.items() if prefix and name.startswith(prefix)}
    return own or tensors


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
