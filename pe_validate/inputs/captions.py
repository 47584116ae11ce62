"""Images with captions, in the manner of COCO: a JSON file with ``images`` and ``annotations``, and a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pe_validate.inputs.datasets import Dataset, files_of, texts_of
from pe_validate.system.errors import LoadError


@dataclass(frozen=True, slots=True)
class Captions:
    """Images and texts; the class of each is the number of its image."""

    images: Dataset
    texts: Dataset


def captions_at(path: Path, folder: Path | None = None) -> Captions:
    """Return the captions in the file ``path``, of images in ``folder``.

    By default the images are beside the file, or where COCO has them: ``val2017/`` beside ``annotations/`` for the file
    ``annotations/captions_val2017.json``.

    Raises:
        LoadError: the file cannot be read, or names no image, or the images are not there.
    """
    try:
        content = json.loads(path.read_bytes())
        files = {each["id"]: str(each["file_name"]) for each in content["images"]}
        said = [(str(each["caption"]).strip(), each["image_id"]) for each in content["annotations"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LoadError(
            f"'{path}' cannot be read as captions ({type(error).__name__}: {error}): it needs 'images' with 'id' and "
            "'file_name', and 'annotations' with 'image_id' and 'caption'."
        ) from error
    captioned = {image for _, image in said}
    named = [identity for identity in files if identity in captioned]
    if len(named) < 2:
        raise LoadError(f"'{path}' has captions of {len(named)} images: at least two are needed.")
    numbers = {identity: number for number, identity in enumerate(named)}
    first = files[named[0]]
    where = folder or next(_likely(path, first), path.parent)
    if not (where / first).exists():
        raise LoadError(f"The image '{first}' of '{path}' is not in '{where}': name the folder with --images.")
    pairs = [(files[identity], number) for identity, number in numbers.items()]
    names = [name for name, _ in pairs]
    texts = [(caption, numbers[image]) for caption, image in said if image in numbers]
    return Captions(files_of(path, where, names, pairs), texts_of(f"captions of {path}", names, texts))


def _likely(path: Path, first: str) -> Iterator[Path]:
    """Yield the folders, of those where the images may be, that have the ``first`` one."""
    likely = [path.parent, path.parent / "images", path.parent.parent / path.stem.removeprefix("captions_")]
    yield from (folder for folder in likely if (folder / first).exists())
