"""A store of the features of shards: a run that was killed goes on where it was, and the same run computes nothing.

A file is named by a digest of everything that decides it: what answered (:attr:`Answerer.key`) and the images.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pe_validate.data.features import Features
from pe_validate.system.errors import FileError
from pe_validate.system.files import replace_file


class ShardStore:
    """A folder of features."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, answerer: str, shard: str) -> Features | None:
        """Return what ``answerer`` found for ``shard``, both by digest; None if that is not there or damaged."""
        try:
            with safe_open(self._path(answerer, shard), "np") as file:
                about = json.loads((file.metadata() or {})["about"])
                tensors = {name: file.get_tensor(name) for name in ("labels", "values")}
            found = Features(about["producer"], tuple(about["names"]), **tensors, broken=about["broken"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None
        return found if about.get("sha256") == _sum(found) else None

    def write(self, answerer: str, shard: str, found: Features) -> None:
        """Store features atomically.

        Raises:
            FileError: the folder cannot be written.
        """
        about = {"producer": found.producer, "names": found.names, "broken": dict(found.broken), "sha256": _sum(found)}
        content = save({"labels": found.labels, "values": found.values}, {"about": json.dumps(about)})
        try:
            replace_file(self._path(answerer, shard), content)
        except OSError as error:
            raise FileError(
                f"Cannot write to '{self.folder}' ({error.strerror or error}): what is done is kept there; free some "
                "space and run it again, or choose another folder."
            ) from error

    def _path(self, answerer: str, shard: str) -> Path:
        return self.folder / answerer[:32] / f"{shard[:32]}.safetensors"


def _sum(found: Features) -> str:
    total = hashlib.sha256(json.dumps([found.producer, found.names, dict(found.broken)]).encode())
    total.update(found.labels.tobytes())
    total.update(found.values.tobytes())
    return total.hexdigest()
