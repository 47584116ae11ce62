"""The precision of a file, by how it stores its weights and in which float type it computes."""

from __future__ import annotations

from collections.abc import Mapping

from pe_validate.data.structure import Structure


def precision_by_storage(structure: Structure, storage: Mapping[str, str]) -> str:
    """Return the precision of the compression that most weights have, or of the float type that it computes in.

    ``storage`` is that of the weights of each precision.
    """
    most = _most(structure)
    compressed = {stored: precision for precision, stored in storage.items() if not stored.startswith("float")}
    half = "float16" in structure.results or most.startswith("float16")
    return compressed.get(most, "fp16" if half else "fp32")


def storage_without_precision(structure: Structure, storage: Mapping[str, str]) -> str | None:
    """Return in words the storage of most weights if no precision stores them so, such as a palette of four bits."""
    most = _most(structure)
    return None if most in ("", *storage.values()) else f"weights stored as '{most}'"


def _most(structure: Structure) -> str:
    """Return the storage of most constant values, or nothing if there are none."""
    values = structure.values_by_storage
    return max(values, key=values.__getitem__, default="")
