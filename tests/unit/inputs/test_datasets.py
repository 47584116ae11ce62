"""Labelled images are read alike from folders, archives and Parquet files; what is damaged is named."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from labelled import CLASSES, images, write_archives, write_folders, write_parquet

from pe_validate.inputs.datasets import SHARD, Dataset, dataset_at
from pe_validate.system.errors import LoadError

COUNT = 100


def contents(dataset: Dataset) -> list[tuple[int, bytes]]:
    """The class and the bytes of every image, in no order."""
    return sorted((item.label, item.content) for shard in dataset.shards for item in shard.items())


def test_folders_archives_and_parquet_hold_the_same_images(tmp_path: Path) -> None:
    folders = dataset_at(write_folders(tmp_path / "folders", COUNT))
    archives = dataset_at(write_archives(tmp_path / "archives", COUNT, 3))
    parquet = dataset_at(write_parquet(tmp_path / "images.parquet", COUNT))
    assert contents(folders) == contents(archives) == contents(parquet) == sorted(images(COUNT))
    assert [len(each.shards) for each in (folders, archives, parquet)] == [2, 3, 3]
    assert [each.images for each in (folders, archives, parquet)] == [COUNT, None, COUNT]
    assert folders.classes == tuple(f"{number} {name}" for number, name in enumerate(CLASSES))
    assert (archives.classes, parquet.classes) == ((), CLASSES)


def test_a_shards_digest_changes_with_its_content_its_names_and_its_labels(tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "set", COUNT)

    def digests() -> list[str]:
        return [shard.digest() for shard in dataset_at(folder).shards]

    before, path = digests(), next(folder.rglob("*.png"))
    assert digests() == before
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    changed = digests()
    assert sum(a != b for a, b in zip(before, changed, strict=True)) == 1
    path.write_bytes(content)
    path.rename(path.with_name("other.png"))
    assert digests() != before


def test_images_in_folders_of_a_class_belong_to_it(tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "set", 20)
    path = next((folder / "9 ankle boot").iterdir())
    (path.parent / "more").mkdir()
    path.rename(path.parent / "more" / path.name)
    assert len(contents(dataset_at(folder))) == 20


def test_a_folder_falls_into_shards_of_a_few_files(tmp_path: Path) -> None:
    shards = dataset_at(write_folders(tmp_path / "set", COUNT)).shards
    assert [len(list(shard.items())) for shard in shards] == [SHARD, COUNT - SHARD]


def with_one_class(folder: Path) -> None:
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "a.png").write_bytes(b"")


def with_an_empty_class(folder: Path) -> None:
    with_one_class(folder)
    (folder / "dog").mkdir()


def with_a_text_as_archive(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.tar").write_text("no archive")


def with_a_text_as_parquet(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.parquet").write_text("no table")


def with_other_columns(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    folder.mkdir()
    write_table(pa.table({"picture": [b""], "label": [1]}), folder / "a.parquet")


def without_a_label(folder: Path) -> None:
    folder.mkdir()
    with tarfile.open(folder / "a.tar", "w") as archive:
        about = tarfile.TarInfo("one.png")
        archive.addfile(about, io.BytesIO())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "There is no dataset at"),
        (lambda folder: folder.mkdir(), "There is no folder of a class in"),
        (with_one_class, "There is only the class 'cat' in"),
        (with_an_empty_class, "The class 'dog' in '.*' has no image"),
        (with_a_text_as_archive, "cannot be read as an archive"),
        (with_a_text_as_parquet, "cannot be read as Parquet"),
        (with_other_columns, "has no column 'image'"),
        (without_a_label, "'one' in '.*' has no label: a number in 'one.cls' is expected"),
    ],
)
def test_what_is_no_dataset_is_one_sentence(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    make(tmp_path / "set")
    with pytest.raises(LoadError, match=said):
        contents(dataset_at(tmp_path / "set"))
