"""Preprocessing is Meta's, to the bit; the inputs are what they say; a bad photograph is one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from pe_validate.inputs.feed import ImageFeed
from pe_validate.inputs.images import (
    KEPT,
    SUFFIXES,
    default_pixels,
    normalize,
    open_photograph,
    photographs,
    samples,
    squash,
    structured,
)
from pe_validate.models.perception_encoder.vision.config import MODELS
from pe_validate.system.errors import LoadError

SIZES = sorted({config.image_size for config in MODELS.values()})
PHOTOGRAPHS = {"china", "flower", "grace_hopper"}
STRUCTURED = {"gradient", "checkerboard", "hot-pixel"}
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}


def picture(width: int = 40, height: int = 24, seed: int = 0) -> Image.Image:
    """Noise over a ramp: no two of its pixels are alike."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 200, width)[None, :, None]
    return Image.fromarray((ramp + rng.uniform(0, 55, (height, width, 3))).astype(np.uint8))


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, FORMATS[kind])
    return buffer.getvalue()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(PHOTOGRAPHS))
def test_squash_is_pillows_antialiased_bilinear_without_keeping_the_aspect(name: str, size: int) -> None:
    photograph = open_photograph(photographs()[name])
    assert photograph.width != photograph.height, "a square photograph would hide a kept aspect ratio"
    expected = photograph.resize((size, size), Image.Resampling.BILINEAR)
    found = squash(photograph, size)
    assert (found.shape, found.dtype) == ((size, size, 3), np.dtype(np.uint8))
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_squash_is_not_another_filter() -> None:
    photograph, size = open_photograph(photographs()["china"]), 224
    for other in (Image.Resampling.NEAREST, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX):
        assert (squash(photograph, size) != np.asarray(photograph.resize((size, size), other))).any(), other


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_a_photograph_of_any_mode_becomes_rgb(mode: str) -> None:
    source = picture().convert("L" if mode == "LA" else "RGB").convert(mode)
    np.testing.assert_array_equal(squash(source, 16), squash(source.convert("RGB"), 16))


@pytest.mark.parametrize(
    ("pixel", "value"),
    [(0, -1.0), (127, np.float32(-1 / 255)), (128, np.float32(1 / 255)), (255, 1.0)],
)
def test_normalize_maps_bytes_to_minus_one_to_one(pixel: int, value: float) -> None:
    found = normalize(np.full((4, 4, 3), pixel, np.uint8))
    np.testing.assert_allclose(found, value, rtol=0, atol=6e-8)  # half a unit of the last place of 1
    if pixel in (0, 255):
        assert (found == value).all()


@settings(max_examples=50)
@given(arrays(np.uint8, (5, 5, 3)))
def test_normalize_is_channels_first_contiguous_float32(pixels: np.ndarray) -> None:
    found = normalize(pixels)
    assert (found.shape, found.dtype, found.flags.c_contiguous) == ((1, 3, 5, 5), np.dtype(np.float32), True)
    expected = (pixels / 255 - 0.5) / 0.5
    np.testing.assert_allclose(found[0], np.moveaxis(expected, -1, 0), rtol=0, atol=2e-7)


def test_normalize_keeps_neighbouring_bytes_apart() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, -1)
    np.testing.assert_array_equal(np.diff(normalize(ramp)[0, 0].ravel()) > 0, True)


def test_normalize_leaves_its_input_alone() -> None:
    pixels = np.full((2, 2, 3), 7, np.uint8)
    normalize(pixels)
    assert (pixels == 7).all()


@pytest.mark.parametrize("size", SIZES)
def test_the_default_inputs_are_every_photograph_and_every_structured_image(size: int) -> None:
    pixels = default_pixels(size)
    assert set(pixels) == PHOTOGRAPHS | STRUCTURED
    assert {(image.shape, image.dtype.name) for image in pixels.values()} == {((size, size, 3), "uint8")}


def test_photographs_come_before_structured_images_in_alphabetical_order() -> None:
    names = list(default_pixels(224))
    assert names[: len(PHOTOGRAPHS)] == sorted(PHOTOGRAPHS)


@pytest.mark.parametrize("size", SIZES)
def test_no_two_inputs_are_alike(size: int) -> None:
    images = list(default_pixels(size).values())
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("size", SIZES)
def test_structured_images_are_what_their_names_say(size: int) -> None:
    images = structured(size)
    assert set(images) == STRUCTURED
    assert np.argwhere(images["hot-pixel"]).tolist() == [[size // 3, size // 2, 0]]
    board = images["checkerboard"]
    assert set(np.unique(board)) == {0, 255}
    np.testing.assert_array_equal(board[8:, 8:], board[:-8, :-8])
    np.testing.assert_array_equal(board[8:, :], 255 - board[:-8, :])
    gradient = images["gradient"].astype(int)
    assert (gradient.min(), gradient.max()) == (0, 255)
    assert (np.diff(gradient[..., 0], axis=0) >= 0).all()
    assert (np.diff(gradient[..., 1], axis=1) >= 0).all()
    assert gradient[0, -1].tolist()[:2] == [0, 255]
    assert gradient[0, -1, 2] == pytest.approx(127, abs=2)  # half the side less one, in whole steps


def test_samples_are_the_normalised_images_under_their_names() -> None:
    pixels = {"b": np.asarray(squash(picture(seed=1), 16)), "a": np.asarray(squash(picture(seed=2), 16))}
    made = samples(pixels)
    assert [sample.name for sample in made] == ["b", "a"]
    for sample in made:
        np.testing.assert_array_equal(sample.image, normalize(pixels[sample.name]))


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".JPG", ".Png"])
def test_a_folder_of_ones_own_photographs_takes_the_place_of_the_built_in_ones(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    picture().save(path, FORMATS[suffix.lower()])
    (tmp_path / "notes.txt").write_text("not an image")
    found = default_pixels(32, tmp_path)
    assert set(found) == {"mine"} | STRUCTURED
    np.testing.assert_array_equal(found["mine"], squash(open_photograph(path), 32))


def test_photographs_in_folders_below_are_named_by_their_path(tmp_path: Path) -> None:
    for seed, name in enumerate(("a/b/one.png", "a/two.png", "two.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed=seed).save(tmp_path / name)
    assert list(photographs(tmp_path)) == ["a/b/one", "a/two", "two"]
    np.testing.assert_array_equal(default_pixels(32, tmp_path)["a/two"], squash(picture(seed=1), 32))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for seed in range(KEPT + 40):
        picture(seed=seed).save(tmp_path / f"{seed:03}.png")
    return tmp_path


def test_of_many_photographs_few_are_kept_in_memory(many: Path) -> None:
    feed = ImageFeed(64)
    tracemalloc.start()
    try:
        inputs = feed.samples(many)
        assert all(np.isfinite(sample.image).all() for sample in inputs)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    whole = sum(sample.image.nbytes for sample in inputs)
    assert len(inputs) == KEPT + 40 + len(STRUCTURED)
    assert taken < whole / 4, "float32 values are kept"


@pytest.mark.parametrize(
    "feed",
    [ImageFeed(16), ImageFeed(16, batch=3), ImageFeed(16, channels_last=True), ImageFeed(16, grey=True)],
    ids=str,
)
def test_an_input_is_the_same_among_many_and_among_few(
    many: Path, tmp_path_factory: pytest.TempPathFactory, feed: ImageFeed
) -> None:
    few = tmp_path_factory.mktemp("few")
    for name in ("000", "001", "002"):
        (few / f"{name}.png").write_bytes((many / f"{name}.png").read_bytes())
    np.testing.assert_array_equal(feed.samples(many)[0].image, feed.samples(few)[0].image)


def test_every_suffix_that_is_looked_for_can_be_read() -> None:
    assert set(SUFFIXES) == set(FORMATS)


@pytest.mark.parametrize("names", [("cat.jpg", "cat.png"), ("gradient.png",), ("hot-pixel.jpg",)], ids=", ".join)
def test_every_photograph_of_a_folder_is_used_or_refused_by_name(tmp_path: Path, names: tuple[str, ...]) -> None:
    for seed, name in enumerate(names):
        picture(seed=seed).save(tmp_path / name)
    mentioned = ""
    used: set[bytes] = set()
    try:
        used = {image.tobytes() for image in default_pixels(32, tmp_path).values()}
    except LoadError as error:
        mentioned = str(error)
    unused = {name for name in names if squash(open_photograph(tmp_path / name), 32).tobytes() not in used}
    assert not unused or any(name in mentioned for name in names), f"{unused} silently left out"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="No folder of photographs at") as failure:
        default_pixels(32, tmp_path / "missing")
    assert str(tmp_path / "missing") in str(failure.value)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    picture().save(tmp_path / "picture.png")
    with pytest.raises(LoadError, match="No folder of photographs at"):
        photographs(tmp_path / "picture.png")


@pytest.mark.parametrize("content", [[], ["notes.txt", "data.npy", "photo.heic"]], ids=["empty", "other files"])
def test_a_folder_without_images_is_named_with_the_suffixes(tmp_path: Path, content: list[str]) -> None:
    for name in content:
        (tmp_path / name).write_bytes(b"something")
    with pytest.raises(LoadError, match="No image in") as failure:
        photographs(tmp_path)
    assert str(tmp_path) in str(failure.value)
    assert all(suffix in str(failure.value) for suffix in SUFFIXES)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"not an image at all", b"\x00" * 1000], ids=["empty", "text", "zeros"])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(LoadError) as failure:
        default_pixels(32, tmp_path)
    assert f"'{path}' cannot be read" in str(failure.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_half_an_image_is_refused(tmp_path: Path, suffix: str) -> None:
    path, whole = tmp_path / f"half{suffix}", encoded(suffix)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LoadError, match="cannot be read"):
        open_photograph(path)


@pytest.mark.parametrize("name", ["missing.png", "folder.png"])
def test_what_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(LoadError, match=name):
        open_photograph(tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    with pytest.raises(LoadError, match=f"pipe{suffix}' cannot be read: it is not a plain file"):
        default_pixels(32, tmp_path)


def test_a_file_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.webp"
    path.write_bytes(encoded(".webp"))
    os.truncate(path, 2**40)
    with pytest.raises(LoadError, match="are not plausible"):
        open_photograph(path)


def test_a_folder_whose_name_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"cannot be read \(File name too long\)"):
        photographs(tmp_path / ("long" * 100))


def test_a_folder_that_must_not_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(LoadError, match=r"cannot be read \(Permission denied\)"):
        photographs(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "position", "value"),
    [(".png", 11, 7), (".png", 36, 5), (".bmp", 30, 1)],
    ids=["length of the PNG header", "length of the PNG data", "compression of the BMP"],
)
def test_damage_that_pillow_reports_in_its_own_ways_is_one_sentence_too(
    tmp_path: Path, suffix: str, position: int, value: int
) -> None:
    content = bytearray(encoded(suffix))
    content[position] = value
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(LoadError, match="cannot be read"):
        open_photograph(path)


@pytest.mark.filterwarnings(
    "ignore::PIL.Image.DecompressionBombWarning"
)  # a damaged size; Pillow refuses twice as much
@pytest.mark.parametrize("suffix", sorted(set(SUFFIXES) - {".jpeg"}))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_gives_an_image_or_one_sentence(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    content = bytearray(encoded(suffix))
    for _ in range(data.draw(st.integers(1, 3), label="damages")):
        position = data.draw(st.integers(0, len(content) - 1), label="position")
        content[position] = data.draw(st.integers(0, 255), label="byte")
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(LoadError):
        assert open_photograph(path).mode == "RGB"
