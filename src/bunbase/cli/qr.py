"""QR codes for the terminal."""

from __future__ import annotations

import io

import segno


def qr_lines(text: str) -> list[str]:
    """Return the lines of a QR code. A character is two modules high, so that the code fits into a small terminal."""
    drawn = io.StringIO()
    segno.make_qr(text, error="L").terminal(drawn, compact=True)
    return drawn.getvalue().splitlines()
