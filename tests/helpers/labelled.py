"""Datasets on disk, made of PE-Nano's held-out images."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Final

from PIL import Image
from places import FIXTURES
from safetensors.numpy import load_file, save_file

CLASSES: Final = (
    *("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
"""The names of PE-Nano's classes, in order."""


def images(count: int) -> list[tuple[int, bytes]]:
    """The class and the PNG file of the first held-out images."""
    tensors = load_file(FIXTURES / "nano" / "held-out.safetensors")
    found = []
    for grey, label in zip(tensors["images"][:count], tensors["labels"][:count], strict=True):
        content = io.BytesIO()
        Image.fromarray(grey).save(content, "PNG")
        found.append((int(label), content.getvalue()))
    return found


def write_folders(folder: Path, count: int) -> Path:
    """A folder for each class; its number comes first, so that their order is that of the classes."""
    for number, (label, content) in enumerate(images(count)):
        path = folder / f"{label} {CLASSES[label]}" / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_archives(folder: Path, count: int, archives: int) -> Path:
    """WebDataset's archives."""
    folder.mkdir(parents=True)
    every = list(enumerate(images(count)))
    for part in range(archives):
        with tarfile.open(folder / f"part-{part}.tar", "w") as archive:
            for number, (label, content) in every[part::archives]:
                for name, data in ((f"{number:04d}.png", content), (f"{number:04d}.cls", str(label).encode())):
                    about = tarfile.TarInfo(name)
                    about.size = len(data)
                    archive.addfile(about, io.BytesIO(data))
    return folder


def write_parquet(path: Path, count: int) -> Path:
    """A Parquet file as the library ``datasets`` writes it."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    every = images(count)
    pictures = [{"bytes": content, "path": None} for _, content in every]
    about = {"info": {"features": {"label": {"names": list(CLASSES), "_type": "ClassLabel"}}}}
    table = pa.table({"image": pictures, "label": [label for label, _ in every]})
    write_table(table.replace_schema_metadata({"huggingface": json.dumps(about)}), path, row_group_size=40)
    return path


def write_table_of_classes(path: Path, labels: list[str] | None = None) -> Path:
    """The embeddings that PE-Nano was trained with, by the names of the folders of :func:`write_folders`."""
    labels = labels or [f"{number} {name}" for number, name in enumerate(CLASSES)]
    tensors = load_file(FIXTURES / "nano" / "held-out.safetensors")
    save_file({"embeddings": tensors["classes"]}, path, {"labels": json.dumps(labels), "model": "PE-Nano"})
    return path
