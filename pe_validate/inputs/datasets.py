"""Labelled images on disk, in a folder of class folders, WebDataset's archives, or Parquet files; and labelled texts.

A dataset falls into shards, each of which is read by itself: a number of files, an archive, or a group of rows.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pe_validate.inputs.images import LARGEST, SUFFIXES
from pe_validate.system.errors import LoadError, first_line
from pe_validate.system.files import plain_file

SHARD: Final = 64
"""The number of files or texts in a shard; when a run is killed, no more than a shard of each worker is lost."""

SYNSET: Final = re.compile("n[0-9]{8}")
"""The name of a class of ImageNet."""

IMAGENET: Final = 1000
"""The number of classes of ImageNet-1k."""

ARCHIVE: Final = ".tar"
PARQUET: Final = ".parquet"
CLASS: Final = "cls"
"""The suffix of a label, a number, in WebDataset's archives."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image as it is stored, or a text in UTF-8, with its name and the number of its class."""

    name: str
    label: int
    content: bytes


class Shard(ABC):
    """Base class of shards; they are sent to the processes that read them."""

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """Yield the images.

        Raises:
            LoadError: the shard cannot be read, or an image has no label. Damaged images are yielded as they are.
        """

    def digest(self) -> str:
        """Return the sha256 of the names, labels and contents."""
        total = hashlib.sha256()
        for item in self.items():
            content = hashlib.sha256(item.content).hexdigest()
            total.update(f"{item.name}\0{item.label}\0{content}\n".encode(errors="surrogateescape"))
        return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Files(Shard):
    """Files below a folder, each with the number of its class."""

    folder: Path
    files: tuple[tuple[str, int], ...]

    def items(self) -> Iterator[Item]:
        """Yield the files; one that cannot be read is empty."""
        for name, label in self.files:
            try:
                content = plain_file(self.folder / name, LARGEST).read_bytes()
            except OSError:
                content = b""
            yield Item(name, label, content)


@dataclass(frozen=True, slots=True)
class Texts(Shard):
    """Texts, each with the number of its class."""

    texts: tuple[tuple[str, int], ...]

    def items(self) -> Iterator[Item]:
        """Yield the texts, which are their own names."""
        for text, label in self.texts:
            yield Item(text, label, text.encode())


@dataclass(frozen=True, slots=True)
class Archive(Shard):
    """One of WebDataset's archives: ``KEY.jpg`` (or another suffix of images) and ``KEY.cls``, next to each other."""

    path: Path

    def items(self) -> Iterator[Item]:
        """Yield the images that have a label."""
        key, parts = "", dict[str, bytes]()
        for name, content in self._members():
            stem, _, suffix = name.rpartition("/")[2].partition(".")
            name = f"{name.rpartition('/')[0]}/{stem}".lstrip("/")
            if name != key:
                yield from self._item(key, parts)
                key, parts = name, {}
            parts[suffix.lower()] = content
        yield from self._item(key, parts)

    def _members(self) -> Iterator[tuple[str, bytes]]:
        try:
            with tarfile.open(self.path) as archive:
                for member in archive:
                    if member.isfile() and member.size <= LARGEST and (file := archive.extractfile(member)):
                        yield member.name, file.read()
        except (OSError, tarfile.TarError, EOFError) as error:
            raise LoadError(f"'{self.path}' cannot be read as an archive ({first_line(error)}).") from error

    def _item(self, key: str, parts: dict[str, bytes]) -> Iterator[Item]:
        for suffix in parts:
            if f".{suffix}" in SUFFIXES:
                label = parts.get(CLASS, b"").strip()
                if not label.isdigit():
                    raise LoadError(f"'{key}' in '{self.path}' has no label: a number in '{key}.{CLASS}' is expected.")
                yield Item(f"{self.path.name}/{key}", int(label), parts[suffix])


@dataclass(frozen=True, slots=True)
class Rows(Shard):
    """A group of rows of a Parquet file with the columns ``image`` (its bytes, or ``bytes`` in it) and ``label``."""

    path: Path
    group: int

    def items(self) -> Iterator[Item]:
        """Yield the rows."""
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            with ParquetFile(self.path) as file:
                rows = file.read_row_group(self.group, columns=["image", "label"]).to_pylist()
        except (OSError, ArrowException) as error:
            raise LoadError(f"'{self.path}' cannot be read as Parquet ({first_line(error)}).") from error
        for number, row in enumerate(rows):
            image, label = row["image"], row["label"]
            content = image.get("bytes") if isinstance(image, dict) else image
            name = f"{self.path.name}/{self.group}.{number}"
            if not isinstance(label, int) or label < 0:
                raise LoadError(f"'{name}' in '{self.path}' has the label {label!r}: a number is expected.")
            yield Item(name, label, content if isinstance(content, bytes) else b"")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled images. ``classes`` are the names of classes by number; it is empty where the files do not say them.

    ``images`` is their number, if it is known before they are read.
    """

    path: Path
    classes: tuple[str, ...]
    shards: tuple[Shard, ...]
    images: int | None = None


def texts_of(name: str, classes: Sequence[str], texts: Sequence[tuple[str, int]]) -> Dataset:
    """Return a dataset of texts, each with the number of its class; ``name`` stands for its path."""
    return Dataset(Path(name), tuple(classes), tuple(map(Texts, _portions(texts))), len(texts))


def files_of(path: Path, folder: Path, classes: Sequence[str], files: Sequence[tuple[str, int]]) -> Dataset:
    """Return a dataset of files below a folder, each with the number of its class; ``path`` is what it is called."""
    shards = tuple(Files(folder, portion) for portion in _portions(files))
    return Dataset(path, tuple(classes), shards, len(files))


def _portions(items: Sequence[tuple[str, int]]) -> list[tuple[tuple[str, int], ...]]:
    """Return the items in portions of a shard each."""
    return [tuple(items[start : start + SHARD]) for start in range(0, len(items), SHARD)]


def has_synsets(dataset: Dataset) -> bool:
    """Return whether the classes are named as ImageNet's are."""
    return bool(dataset.classes) and all(SYNSET.fullmatch(name) for name in dataset.classes)


def is_imagenet(dataset: Dataset) -> bool:
    """Return whether the classes are all of ImageNet-1k's."""
    return has_synsets(dataset) and len(dataset.classes) == IMAGENET


def dataset_at(path: Path) -> Dataset:
    """Return the dataset at ``path``: a folder of class folders, or archives or Parquet files, or one such file.

    Raises:
        LoadError: there is none, it cannot be read, or it has a single class.
    """
    try:
        if not path.exists():
            raise LoadError(f"There is no dataset at '{path}'.")
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        archives = [file for file in inside if file.suffix == ARCHIVE]
        tables = [file for file in inside if file.suffix == PARQUET]
        if archives:
            return Dataset(path, (), tuple(map(Archive, archives)))
        if tables:
            return _parquet(path, tables)
        return _folders(path, [file for file in inside if file.is_dir()])
    except OSError as error:
        raise LoadError(f"The dataset '{path}' cannot be read ({error.strerror or error}).") from error


def _folders(path: Path, folders: Sequence[Path]) -> Dataset:
    files: list[tuple[str, int]] = []
    for number, folder in enumerate(folders):
        found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not found:
            raise LoadError(f"The class '{folder.name}' in '{path}' has no image ({', '.join(SUFFIXES)}).")
        files += [(file.relative_to(path).as_posix(), number) for file in found]
    if len(folders) < 2:
        listed = f"only the class '{folders[0].name}'" if folders else "no folder of a class"
        raise LoadError(f"There is {listed} in '{path}': a dataset has a folder for each of its classes.")
    return files_of(path, path, [folder.name for folder in folders], files)


def _parquet(path: Path, tables: Sequence[Path]) -> Dataset:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_metadata
    except ImportError as error:
        raise LoadError("Parquet needs pyarrow: pip install 'pe-validate[parquet]'.") from error
    shards: list[Shard] = []
    classes: tuple[str, ...] = ()
    images = 0
    for file in tables:
        try:
            about = read_metadata(file)
        except ArrowException as error:
            raise LoadError(f"'{file}' cannot be read as Parquet ({first_line(error)}).") from error
        if missing := {"image", "label"} - set(about.schema.to_arrow_schema().names):
            raise LoadError(f"'{file}' has no column '{min(missing)}': 'image' and 'label' are expected.")
        classes = classes or _names_of(about.metadata or {})
        images += about.num_rows
        shards += [Rows(file, group) for group in range(about.num_row_groups)]
    return Dataset(path, classes, tuple(shards), images)


def _names_of(metadata: dict[bytes, bytes]) -> tuple[str, ...]:
    """Return the names of classes from what the library ``datasets`` writes into a Parquet file."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(map(str, names))
