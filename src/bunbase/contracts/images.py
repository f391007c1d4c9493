"""Variants of images: what callers may ask for, and the Problems."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from bunbase.pkg.errors import Problem

MAX_SIDE: Final = 4096
MIN_QUALITY: Final = 20
MAX_QUALITY: Final = 100
DEFAULT_QUALITY: Final = 80

Fit = Literal["cover", "contain", "fill"]
Format = Literal["auto", "origin", "webp", "avif", "jpeg", "png"]


class NotAnImage(Problem):
    status, code, title = 422, "not_an_image", "This object is not an image that BunBase can change"


class ImageTooLarge(Problem):
    """`limit`: the largest number of bytes or pixels."""

    status, code, title = 422, "image_too_large", "This image is too large to be changed"


class ImagesBusy(Problem):
    status, code, title = 503, "images_busy", "Too many images are being changed now"


class ImagesUnavailable(Problem):
    status, code, title = 503, "images_unavailable", "This server cannot change images"


class Transform(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A variant of an image. `width`, `height`: the box in pixels; 0 for a side that the other one decides.

    `format`: `auto` for WebP if the caller reads it (`webp`), otherwise for the format of the image.
    """

    width: Annotated[int, msgspec.Meta(ge=0, le=MAX_SIDE)] = 0
    height: Annotated[int, msgspec.Meta(ge=0, le=MAX_SIDE)] = 0
    fit: Fit = "cover"
    format: Format = "auto"
    quality: Annotated[int, msgspec.Meta(ge=MIN_QUALITY, le=MAX_QUALITY)] = DEFAULT_QUALITY
    webp: bool = False
