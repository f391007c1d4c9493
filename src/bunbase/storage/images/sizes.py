"""The steps of sizes and qualities, and the name of a variant, as pure functions.

A caller may ask for any size, and gets the next step. So the number of different variants of an image is limited, and
requests for nearly the same size share one variant.
"""

from __future__ import annotations

from typing import Final

from bunbase.contracts.images import MAX_SIDE, Transform
from bunbase.storage.images.orders import Order

STEPS: Final = ((512, 16), (1024, 32), (MAX_SIDE, 128))  # up to this size, in steps of this size
QUALITY_STEP: Final = 5
RECIPE: Final = 1  # raise this number when the same order makes another picture: old variants are then not used again


def order_of(wanted: Transform) -> Order:
    """Return the order for a variant, in steps."""
    format = ("webp" if wanted.webp else "origin") if wanted.format == "auto" else wanted.format
    whole = bool(wanted.width and wanted.height)
    quality = -(-wanted.quality // QUALITY_STEP) * QUALITY_STEP
    if format == "png":
        quality = 100  # it has no quality, so all values are one variant
    return Order(stepped(wanted.width), stepped(wanted.height), wanted.fit if whole else "contain", format, quality)


def stepped(side: int) -> int:
    """Return the smallest step that is not smaller than a side; 0 for 0."""
    for most, step in STEPS:
        if side <= most:
            return -(-side // step) * step
    return MAX_SIDE


def name_of(order: Order) -> str:
    """Return the name of a variant. It has only letters, digits and hyphens, because it becomes part of an ETag."""
    return f"{RECIPE}-{order.width}x{order.height}-{order.fit}-{order.format}-{order.quality}"
