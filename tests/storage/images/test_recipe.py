"""The pictures themselves: sizes, fits, colours, orientation, formats, and what is refused. The recipe runs here."""

from __future__ import annotations

import pytest

from bunbase.storage.images.orders import Order, Refusal
from bunbase.storage.images.recipe import MAX_PIXELS, box_of, make, prepare
from tests.storage.images import pictures
from tests.storage.images.pictures import BLUE, RED, colour, is_near, opened


@pytest.fixture(autouse=True, scope="module")
def prepared() -> None:
    prepare()


def order(width: int = 64, height: int = 0, fit: str = "contain", format: str = "png", quality: int = 80) -> Order:
    return Order(width, height, fit, format, quality)


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        (order(64, 0), (64, 43)),
        (order(0, 64), (96, 64)),
        (order(64, 64, "cover"), (64, 64)),
        (order(64, 64, "contain"), (64, 43)),
        (order(64, 64, "fill"), (64, 64)),
        (order(4096, 0), (120, 80)),
        (order(4096, 4096, "contain"), (120, 80)),
        (order(4096, 4096, "cover"), (80, 80)),
        (order(4096, 4096, "fill"), (120, 80)),
        (order(0, 0), (120, 80)),
    ],
)
def test_a_variant_has_the_asked_size_and_is_never_larger_than_the_image(asked: Order, size: tuple[int, int]) -> None:
    made, data = make(pictures.jpeg(), asked)

    assert (made.width, made.height) == size
    assert (opened(data).width, opened(data).height) == size


def test_cover_cuts_and_fill_stretches() -> None:
    wide = pictures.jpeg(400, 40)

    covered = opened(make(wide, order(32, 32, "cover"))[1])
    filled = opened(make(wide, order(32, 32, "fill"))[1])

    for image in (covered, filled):
        assert is_near(colour(image, 2, 16), RED)
        assert is_near(colour(image, 29, 16), BLUE)


@pytest.mark.parametrize("turned", [3, 6, 8])
def test_the_orientation_of_the_camera_is_applied(turned: int) -> None:
    image = opened(make(pictures.jpeg(turned=turned), order(64, 64))[1])

    first, last = {3: (BLUE, RED), 6: (RED, BLUE), 8: (BLUE, RED)}[turned]
    assert (image.width, image.height) == ((64, 43) if turned == 3 else (43, 64))
    assert is_near(colour(image, 5, 5), first)
    assert is_near(colour(image, image.width - 5, image.height - 5), last)
    assert not image.get_typeof("orientation")


@pytest.mark.parametrize("format", ["webp", "avif", "jpeg", "png"])
def test_no_variant_has_the_metadata_of_the_image(format: str) -> None:
    source = pictures.jpeg()
    assert b"Camera 1000" in source
    assert b"GPSLatitude" in repr(opened(source).get_fields()).encode()

    made, data = make(source, order(format=format))

    assert made.content_type == f"image/{format}"
    kept = [name for name in opened(data).get_fields() if "exif" in name or "xmp" in name or "icc" in name]
    assert kept == []
    assert b"Camera 1000" not in data


@pytest.mark.parametrize(
    ("source", "type"),
    [
        (pictures.jpeg, "image/jpeg"),
        (pictures.png, "image/png"),
        (pictures.webp, "image/webp"),
        (pictures.avif, "image/avif"),
        (pictures.gif, "image/png"),
    ],
)
def test_origin_is_the_format_of_the_image(source: object, type: str) -> None:
    assert callable(source)
    made, data = make(source(), order(32, format="origin"))

    assert made.content_type == type
    assert is_near(colour(opened(data), 3, 3), RED, most=60)


def test_transparency_stays_and_becomes_white_in_a_jpeg() -> None:
    kept = opened(make(pictures.png(), order(64, format="webp"))[1])
    flat = opened(make(pictures.png(), order(64, format="jpeg"))[1])

    assert kept.hasalpha()
    assert kept(10, 40)[3] < 10
    assert flat.bands == 3
    assert is_near(colour(flat, 10, 40), (255, 255, 255))


def test_a_variant_of_an_animation_is_its_first_frame() -> None:
    image = opened(make(pictures.gif(150), order(32, format="webp"))[1])

    assert image.height == 32
    assert not image.get_typeof("n-pages") or image.get("n-pages") == 1
    assert is_near(colour(image, 4, 16), RED, most=60)


@pytest.mark.parametrize("format", ["webp", "avif", "jpeg", "png"])
def test_colours_of_other_models_become_8_bits_of_srgb(format: str) -> None:
    printed = opened(make(pictures.cmyk(), order(32, format=format))[1])
    deep = opened(make(pictures.deep_png(), order(32, format=format))[1])

    assert (printed.interpretation, printed.format) == ("srgb", "uchar")
    assert printed(10, 10)[0] > 180 > 100 > printed(10, 10)[2]  # magenta and yellow are red
    assert (deep.interpretation, deep.format) == ("srgb", "uchar")
    assert is_near(colour(deep, 4, 10), RED, most=60)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj",
        b"<html><script>alert(1)</script></html>",
        b"II*\0\x08\0\0\0\0\0",
        b"P6 2 2 255\n" + b"\0" * 12,
        b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\0\0\0\0",
        b"push graphic-context\nviewbox 0 0 1 1\nimage over 0,0 0,0 'url(http://127.0.0.1/)'",
    ],
)
def test_only_five_readers_run(data: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        make(data, order())

    assert refused.value.why == "unreadable"


@pytest.mark.parametrize("source", [pictures.jpeg, pictures.png, pictures.webp, pictures.avif])
def test_half_of_a_file_is_refused(source: object) -> None:
    assert callable(source)
    data: bytes = source()

    with pytest.raises(Refusal) as refused:
        make(data[: len(data) // 2], order())

    assert refused.value.why == "unreadable"


def test_a_bomb_is_refused_by_its_header() -> None:
    data = pictures.bomb()
    assert len(data) < 20_000

    with pytest.raises(Refusal) as refused:
        make(data, order())

    assert refused.value.why == "large"
    assert "10000 x 6000" in refused.value.detail


def test_bytes_after_the_image_are_not_in_the_variant() -> None:
    made, data = make(pictures.jpeg() + b"<script>alert(1)</script>", order(32, format="jpeg"))

    assert made.content_type == "image/jpeg"
    assert b"script" not in data


@pytest.mark.parametrize("fit", ["cover", "contain", "fill"])
def test_a_box_is_never_empty(fit: str) -> None:
    for side in (1, 16, 4096):
        for width, height in ((1, MAX_PIXELS), (MAX_PIXELS, 1), (1, 1)):
            assert min(box_of(Order(side, side, fit, "png", 80), width, height)) >= 1
