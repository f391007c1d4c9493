"""Colours that an app chooses for its buttons and links, and whether people can read them (WCAG 2.2)."""

from __future__ import annotations

import re
from typing import Final

ACCENT: Final = re.compile(r"#[0-9a-f]{6}")
READABLE: Final = 4.5  # Text and its background must have this contrast (WCAG 2.2 at level AA).
SAME_CONTRAST: Final = 0.179  # At this luminance, black and white text have the same contrast.


def text_on(ground: str) -> str:
    """Return black or white: the colour that has more contrast with `ground`, the background. The contrast is always at
    least 4.5.
    """
    return "#000000" if _luminance(ground) > SAME_CONTRAST else "#ffffff"


def readable(colour: str, ground: str, otherwise: str) -> str:
    """Return `colour` if text in this colour can be read on the background `ground`, else return `otherwise`."""
    dark, light = sorted((_luminance(colour), _luminance(ground)))
    return colour if (light + 0.05) / (dark + 0.05) >= READABLE else otherwise


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
