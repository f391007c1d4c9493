"""Texts from the developers of a project, which BunBase shows to their users."""

from __future__ import annotations


def readable(text: str, most: int) -> str:
    """Return the first characters of a text, without control characters, and without marks that reverse a text."""
    return "".join(one for one in text if one.isprintable())[:most].strip()
