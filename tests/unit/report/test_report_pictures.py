"""A report has small pictures of its inputs, the worst first, and of no input that it cannot show."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import sample_reports as sample
from PIL import Image

from pe_validate.case import Case
from pe_validate.data.result import Result
from pe_validate.report import pictures
from pe_validate.report.pictures import SIDE, pictures_of
from pe_validate.report.render import write
from pe_validate.report.stored import read
from pe_validate.system.errors import ReportError


def on(*names: str, case: Case = sample.ONNX) -> Result:
    """A result whose inputs have these names."""
    passing = sample.passing(case)
    worst = passing.verdicts[0].worst
    assert worst
    return replace(passing, verdicts=(replace(passing.verdicts[0], comparisons=dict.fromkeys(names, worst)),))


def opened(picture: str) -> Image.Image:
    kind, _, content = picture.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(BytesIO(b64decode(content, validate=True)))


def test_photographs_and_structured_images_have_one_and_others_have_none() -> None:
    found = pictures_of([on("china", "gradient", "black", "noise 0.1", "../../etc/passwd")])
    assert set(found) == {"china", "gradient"}
    assert {opened(each).size for each in found.values()} == {(SIDE, SIDE)}
    assert sum(map(len, found.values())) < 12_000


def test_crops_are_cut_of_their_photograph() -> None:
    whole, crop = "flower", "flower 3 10-20-110-90"
    found = pictures_of([on(whole, crop, "flower 3 1-2", "no photograph 3 1-2-3-4")])
    assert set(found) == {whole, crop}
    assert found[whole] != found[crop]


def test_they_show_the_image() -> None:
    ramp = np.asarray(opened(pictures_of([on("gradient")])["gradient"]), np.float64)
    assert ramp[-8:, :8, 0].mean() > 200 > 60 > ramp[:8, -8:, 0].mean()


def test_the_worst_come_first_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST", 1)
    assert list(pictures_of([sample.failing()])) == ["hot-pixel"]


@pytest.mark.parametrize("name", ["PE-Core-T16-384-text", "PE-Nano-text"])
def test_texts_have_none(name: str) -> None:
    assert pictures_of([on("china", case=Case(name, "onnx", "fp32"))]) == {}


def test_a_folder_of_ones_own_is_shown_unless_it_has_gone(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), "red").save(tmp_path / "china.png")
    (tmp_path / "torn.png").write_bytes(b"not an image")
    (red,) = pictures_of([on("china", "torn")], tmp_path).values()
    assert np.asarray(opened(red))[40, 40, 0] > 240
    assert pictures_of([on("china")], tmp_path / "gone") == {}
    assert pictures_of([]) == {}


@pytest.mark.parametrize(
    "picture",
    [
        "https://example.org/x.png",
        "data:text/html;base64,AAAA",
        "data:image/svg+xml;base64,AAAA",
        'data:image/png;base64,"',
    ],
)
def test_what_is_no_small_picture_is_refused(tmp_path: Path, picture: str) -> None:
    write(replace(sample.report(), pictures={"x": picture}), tmp_path)
    with pytest.raises(ReportError):
        read(tmp_path)
