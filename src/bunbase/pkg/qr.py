"""QR codes: for the terminal, and for pages."""

from __future__ import annotations

import io
from html import escape

import segno


def qr_lines(text: str) -> list[str]:
    """Return the lines of a QR code. A character is two modules high, so that the code fits into a small terminal."""
    drawn = io.StringIO()
    segno.make_qr(text, error="L").terminal(drawn, compact=True)
    return drawn.getvalue().splitlines()


def qr_svg(text: str, label: str) -> str:
    """Return a QR code as an image for a page.

    The code is black on white, even in dark mode, because phones could not read other colours. `label`: the text for
    screen readers. The image needs neither a script nor another file, and has no inline style.
    """
    drawn = segno.make_qr(text, error="M")
    image = drawn.svg_inline(omitsize=True, svgclass=None, lineclass=None, dark="#000", light="#fff")
    return f'<div class="qr" role="img" aria-label="{escape(label)}">{image}</div>'
