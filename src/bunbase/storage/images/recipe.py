"""Makes a variant of an image with libvips. This runs only in a confined process, because it reads bytes of strangers.

libvips is a large program in C with many readers of formats. Only five readers may run here; all others, such as those
for SVG, PDF, TIFF, and all of ImageMagick, are blocked. An image of many pixels is refused by its header.
"""

from __future__ import annotations

from typing import Any, Final

import pyvips

from bunbase.storage.images.orders import Made, Order, Refusal

READERS: Final = ("Png", "Jpeg", "Webp", "Nsgif", "Heif")
MAX_PIXELS: Final = 50_000_000
MAX_SIDE: Final = 4096
WHITE: Final = (255.0, 255.0, 255.0)
TYPES: Final = {"webp": "image/webp", "avif": "image/avif", "jpeg": "image/jpeg", "png": "image/png"}
# the format of a variant with `origin`, by the reader; a variant of a GIF is one picture, so it is a PNG
ORIGINS: Final = {
    "pngload_buffer": "png",
    "jpegload_buffer": "jpeg",
    "webpload_buffer": "webp",
    "gifload_buffer": "png",
    "heifload_buffer": "avif",
}
READING: Final = {"access": "sequential", "fail_on": "truncated"}
AVIF_EFFORT: Final = 2  # of 9: the next step takes twice the time for 3 % fewer bytes
WEBP_EFFORT: Final = 3
SWAPPED: Final = (5, 6, 7, 8)  # the values of the orientation in Exif that turn an image by 90 degrees
OPERATIONS: Final = ("thumbnail_image", "webpsave_buffer", "heifsave_buffer", "jpegsave_buffer", "pngsave_buffer")


def prepare() -> None:
    """Block all readers but five, and load what the work needs, before the process is confined."""
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for reader in READERS:
        pyvips.operation_block_set(f"VipsForeignLoad{reader}", False)
    for name in (*OPERATIONS, *ORIGINS, "colourspace", "flatten", "cast", "copy", "extract_area"):
        pyvips.Introspect.get(name)


def make(content: bytes, order: Order) -> tuple[Made, bytes]:
    """Return a variant. Raises: Refusal."""
    try:
        header = pyvips.Image.new_from_buffer(content, "", **READING)
        reader = header.get("vips-loader")
        wanted = ORIGINS.get(reader, "png") if order.format == "origin" else order.format
        image = _plain(_resized(content, header, order, reader), wanted)
        data = _saved(image, wanted, order.quality)
    except pyvips.Error as error:
        raise _refusal(error) from None
    return Made(TYPES[wanted], image.width, image.height), data


def _resized(content: bytes, header: Any, order: Order, reader: str) -> Any:
    width, height = _checked_size(header)
    across, down = box_of(order, width, height)
    options: dict[str, Any] = {"height": down, "output_profile": "srgb", "intent": "perceptual", "size": "down"}
    if order.width and order.height and order.fit == "cover":
        options["crop"] = "centre"
    elif order.width and order.height and order.fit == "fill":
        options["size"] = "force"
    if reader != "jpegload_buffer":
        return header.thumbnail_image(across, **options)
    # A JPEG can be read in a half, a quarter or an eighth of its size, much faster. At least a half is left to the
    # better filter. `thumbnail_buffer` does the same, but it also accepts the first half of a file.
    inside = order.fit == "contain" or not order.width or not order.height
    left = (max if inside else min)(width / across, height / down)
    shrink = next((step for step in (8, 4, 2) if left >= 2 * step), 1)
    return pyvips.Image.jpegload_buffer(content, shrink=shrink, **READING).thumbnail_image(across, **options)


def _checked_size(header: Any) -> tuple[int, int]:
    """Return the width and height as a viewer shows the image. Raises: Refusal."""
    width, height = header.width, header.height
    if width * height > MAX_PIXELS:
        raise Refusal("large", f"The image has {width} x {height} pixels; the limit is {MAX_PIXELS // 10**6} million.")
    turned = header.get_typeof("orientation") and header.get("orientation") in SWAPPED
    return (height, width) if turned else (width, height)


def box_of(order: Order, width: int, height: int) -> tuple[int, int]:
    """Return the box of a variant, which is never larger than the image.

    A box for `cover` keeps its shape when it shrinks; a side that is not asked for is free.
    """
    if not order.width and not order.height:
        return min(width, MAX_SIDE), min(height, MAX_SIDE)
    if not order.width or not order.height or order.fit == "contain":
        return order.width or MAX_PIXELS, order.height or MAX_PIXELS
    if order.fit == "fill":
        return min(order.width, width), min(order.height, height)
    part = min(1.0, width / order.width, height / order.height)
    return max(1, round(order.width * part)), max(1, round(order.height * part))


def _plain(image: Any, wanted: str) -> Any:
    """Return the image in 8 bits of sRGB, or of grey; without transparency if the format has none."""
    if image.interpretation not in ("srgb", "b-w"):
        image = image.colourspace("b-w" if image.interpretation == "grey16" else "srgb")
    if image.format != "uchar":
        image = image.cast("uchar")
    if image.hasalpha() and wanted == "jpeg":
        image = image.flatten(background=list(WHITE[: image.bands - 1]))
    return image


def _saved(image: Any, wanted: str, quality: int) -> bytes:
    """Return the encoded bytes without metadata: no Exif, so no place of the photograph, and no profile."""
    match wanted:
        case "webp":
            return bytes(image.webpsave_buffer(Q=quality, effort=WEBP_EFFORT, keep="none"))
        case "avif":
            return bytes(image.heifsave_buffer(Q=quality, compression="av1", effort=AVIF_EFFORT, keep="none"))
        case "jpeg":
            return bytes(image.jpegsave_buffer(Q=quality, optimize_coding=True, interlace=True, keep="none"))
        case _:
            return bytes(image.pngsave_buffer(compression=6, keep="none"))


def _refusal(error: pyvips.Error) -> Refusal:
    text = str(error)
    if "out of memory" in text or "unable to allocate" in text or "limit" in text:
        return Refusal("large", "The image needs too much memory.")
    return Refusal("unreadable", "The bytes are not a whole image in PNG, JPEG, GIF, WebP or AVIF.")
