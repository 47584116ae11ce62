"""Small pictures of inputs, made while they are at hand: a report shows them without loading what computes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pe_validate.data.result import Result
from pe_validate.inputs.feed import ImageFeed
from pe_validate.models.registry import model_named
from pe_validate.report.margins import of_gate
from pe_validate.system.errors import LoadError

if TYPE_CHECKING:
    from pe_validate.inputs.images import Pixels

SIDE: Final = 96
"""Height and width in pixels: as models take them, without keeping the aspect ratio."""

QUALITY: Final = 70
"""Of JPEG: a photograph takes about 3 kB."""

MOST: Final = 48
"""The most pictures of a report."""


def pictures_of(results: Sequence[Result], photographs: Path | None = None) -> dict[str, str]:
    """Return pictures of the inputs of ``results`` by name, the worst of each gate first, as ``data:`` URLs.

    ``photographs`` is the folder that the inputs were made of, by default the project's own. Inputs of models that take
    no images, and files that can no longer be read, have none.
    """
    seen = [result for result in results if _takes_images(result)]
    names = list(dict.fromkeys([*_worst(seen), *_all(seen)])) if seen else []
    return dict(_made(names, photographs)) if names else {}


def _takes_images(result: Result) -> bool:
    return isinstance(model_named(result.case.model).feed, ImageFeed)


def _worst(results: Sequence[Result]) -> Iterator[str]:
    worst = (of_gate(verdict) for result in results for verdict in result.verdicts)
    found = sorted(filter(None, worst), key=lambda each: -each.used)
    yield from (each.input for each in found)


def _all(results: Sequence[Result]) -> Iterator[str]:
    yield from (name for result in results for verdict in result.verdicts for name in verdict.comparisons or {})


def _made(names: Sequence[str], folder: Path | None) -> Iterator[tuple[str, str]]:
    from pe_validate.inputs.images import open_photograph, photographs, squash, structured

    try:
        paths = photographs(folder)
    except LoadError:  # it has gone since it was read
        return
    drawn, made = structured(SIDE), 0
    for name in names:
        if made == MOST:
            return
        try:
            pixels = drawn[name] if name in drawn else squash(open_photograph(paths[name]), SIDE)
        except (KeyError, LoadError):
            continue
        made += 1
        yield name, _encoded(pixels)


def _encoded(pixels: Pixels) -> str:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
