"""Small pictures of inputs, made while they are at hand: a report shows them without loading what computes."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pe_validate.data.result import Result
from pe_validate.inputs.feed import ImageFeed
from pe_validate.models.registry import model_named
from pe_validate.report.margins import of_gate
from pe_validate.system.errors import LoadError

if TYPE_CHECKING:
    from pe_validate.inputs.images import Pixels

WHOLE: Final = 4
"""The number of whole photographs that stay in memory while crops are made of them."""

SIDE: Final = 96
"""Height and width in pixels: as models take them, without keeping the aspect ratio."""

QUALITY: Final = 70
"""Of JPEG: a photograph takes about 3 kB."""

MOST: Final = 96
"""The most pictures of a report."""

CROP: Final = re.compile(r"(.+) [0-9]+ ([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)")
"""The name of a crop: that of the photograph, a number, and the box."""


def pictures_of(results: Sequence[Result], photographs: Path | None = None) -> dict[str, str]:
    """Return pictures of the inputs of ``results`` by name, the worst of each gate first, as ``data:`` URLs.

    ``photographs`` is the folder that the inputs were made of, by default the project's own. Inputs of models that take
    no images, and files that can no longer be read, have none.
    """
    seen = [result for result in results if _takes_images(result)]
    names = list(dict.fromkeys([*_worst(seen), *_all(seen)])) if seen else []
    return dict(islice(_made(names, photographs), MOST)) if names else {}


def _takes_images(result: Result) -> bool:
    return isinstance(model_named(result.case.model).feed, ImageFeed)


def _worst(results: Sequence[Result]) -> Iterator[str]:
    worst = (of_gate(verdict) for result in results for verdict in result.verdicts)
    found = sorted(filter(None, worst), key=lambda each: -each.used)
    yield from (each.input for each in found)


def _all(results: Sequence[Result]) -> Iterator[str]:
    verdicts = [verdict for result in results for verdict in result.verdicts]
    yield from (name for verdict in verdicts for name in verdict.comparisons or {})
    for each in (each for verdict in verdicts for each in verdict.moved):
        yield from (each.query, *each.expected, *each.found)


def _made(names: Sequence[str], folder: Path | None) -> Iterator[tuple[str, str]]:
    from pe_validate.inputs.images import open_photograph, photographs, squash, structured

    try:
        paths = photographs(folder)
    except LoadError:  # it has gone since it was read
        return
    drawn, opened = structured(SIDE), lru_cache(WHOLE)(open_photograph)
    for name in names:
        crop = CROP.fullmatch(name)
        try:
            if name in drawn:
                yield name, _encoded(drawn[name])
            elif name in paths:
                yield name, _encoded(squash(opened(paths[name]), SIDE))
            elif crop and crop[1] in paths:
                left, top, right, bottom = map(int, crop.groups()[1:])
                yield name, _encoded(squash(opened(paths[crop[1]]).crop((left, top, right, bottom)), SIDE))
        except LoadError:
            continue


def _encoded(pixels: Pixels) -> str:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
