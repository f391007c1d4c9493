"""Images for tests, made here: every format, with metadata that must not leak, and images that attack a reader."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pyvips

RED, BLUE = (200, 20, 20), (20, 20, 200)
PLACE = "52/1 31/1 12/1"


def halves(width: int, height: int) -> Any:
    """Return an image whose left half is red and whose right half is blue."""
    left = pyvips.Image.black(width // 2, height).new_from_image(list(RED))
    right = pyvips.Image.black(width - width // 2, height).new_from_image(list(BLUE))
    return left.join(right, "horizontal").cast("uchar").copy(interpretation="srgb")


def jpeg(width: int = 120, height: int = 80, turned: int = 1) -> bytes:
    """Return a photograph with an orientation, and with the place where it was taken."""
    image = halves(width, height).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", turned)
    for name, value in (("exif-ifd0-Make", "Camera 1000"), ("exif-ifd3-GPSLatitude", PLACE)):
        image.set_type(pyvips.GValue.gstr_type, name, value)
    return bytes(image.jpegsave_buffer(Q=95))


def cmyk() -> bytes:
    flat = pyvips.Image.black(60, 40).new_from_image([0, 255, 255, 0]).cast("uchar").copy(interpretation="cmyk")
    return bytes(flat.jpegsave_buffer(Q=95))


def png(width: int = 120, height: int = 80) -> bytes:
    """Return an image whose lower half is transparent."""
    solid = pyvips.Image.black(width, height // 2) + 255
    alpha = solid.join(pyvips.Image.black(width, height - height // 2), "vertical").cast("uchar")
    return bytes(halves(width, height).bandjoin(alpha).pngsave_buffer())


def deep_png() -> bytes:
    return bytes((halves(60, 40).cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16").pngsave_buffer())


def webp() -> bytes:
    return bytes(halves(120, 80).webpsave_buffer(Q=90))


def avif() -> bytes:
    return bytes(halves(120, 80).heifsave_buffer(compression="av1", Q=90, effort=0))


def gif(frames: int = 3) -> bytes:
    """Return an animation whose first frame is red and blue, and whose other frames are white."""
    first = halves(40, 40)
    rest = [(pyvips.Image.black(40, 40, bands=3) + 255).cast("uchar").copy(interpretation="srgb")] * (frames - 1)
    joined = pyvips.Image.arrayjoin([first, *rest], across=1).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", 40)
    joined.set_type(pyvips.GValue.array_int_type, "delay", [100] * frames)
    return bytes(joined.gifsave_buffer())


def bomb(width: int = 10_000, height: int = 6_000) -> bytes:
    """Return a PNG of 60 megapixels, of which every byte is 0: it has a few kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    lines = zlib.compressobj(9)
    line = bytes(1 + width // 8)
    data = b"".join([lines.compress(line) for _ in range(height)]) + lines.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def opened(data: bytes) -> Any:
    return pyvips.Image.new_from_buffer(data, "")


def colour(image: Any, x: int, y: int) -> tuple[int, ...]:
    return tuple([round(value) for value in image(x, y)])


def is_near(found: tuple[int, ...], wanted: tuple[int, ...], most: int = 30) -> bool:
    return all(abs(one - other) <= most for one, other in zip(found, wanted, strict=False))
