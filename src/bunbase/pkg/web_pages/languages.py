"""Choose the language of a page from what its reader prefers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MAX_PREFERENCES: Final = 20


def preferred(accept_language: str, offered: Sequence[str]) -> str:
    """Return the offered language that the header Accept-Language prefers (RFC 9110 §12.5.4), or the first language.

    A reader of `de-AT` also gets `de`, and a reader of `pt` also gets `pt-BR`.
    """
    wanted = [_preference(part) for part in accept_language.split(",")[:MAX_PREFERENCES]]
    for tag, quality in sorted(wanted, key=lambda one: -one[1]):
        found = matching(tag, offered) if quality > 0 else ""
        if found:
            return found
    return offered[0]


def matching(tag: str, offered: Sequence[str]) -> str:
    """Return the offered language for a tag, or "" if there is none."""
    tag = tag.strip().lower()
    exact = [one for one in offered if one.lower() == tag]
    near = [one for one in offered if one.lower().partition("-")[0] == tag.partition("-")[0]]
    return next(iter(exact or near), "")


def _preference(part: str) -> tuple[str, float]:
    """Return a tag and its quality: 1 if none is given, 0 if it is not a number."""
    tag, _, parameter = part.partition(";")
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return tag, 1.0
    try:
        quality = float(value)
    except ValueError:
        return tag, 0.0
    return tag, quality if 0 <= quality <= 1 else 0.0
