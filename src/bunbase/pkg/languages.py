"""Choose the language for a person, from the languages that the person can read and the languages that are offered.

chosen(asked_for(request.headers.get("accept-language", "")), ("en", "de")) or "en"
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MAX_HEADER: Final = 1000  # The header is read up to this many characters. Browsers send less.
MAX_LANGUAGES: Final = 20
MAX_TAG: Final = 35  # A tag has at most this many characters (RFC 5646 §4.4.1).

TAG: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,4}")
RANGE: Final = re.compile(
    r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)(?:\s*;\s*[qQ]\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)


def is_language(tag: str) -> bool:
    """True for the tag of a language, such as `en` or `pt-BR` (RFC 5646)."""
    return len(tag) <= MAX_TAG and TAG.fullmatch(tag) is not None


def asked_for(accept_language: str) -> tuple[str, ...]:
    """Return the languages of the header `Accept-Language` (RFC 9110 §12.5.4), the preferred one first.

    The result leaves out `*` and parts that are not languages, because a request should not fail because of them.
    """
    weighed: list[tuple[float, str]] = []
    for part in accept_language[:MAX_HEADER].split(",")[:MAX_LANGUAGES]:
        found = RANGE.fullmatch(part.strip())
        if found and is_language(found[1]) and (weight := float(found[2] or 1)) > 0:
            weighed.append((weight, found[1]))
    # The sort keeps the order of equal values.
    return tuple(tag for _, tag in sorted(weighed, key=lambda one: -one[0]))


def chosen(wanted: Iterable[str], offered: Iterable[str]) -> str | None:
    """Return the offered language that fits best, in the spelling of `offered`. Return None if none fits.

    `wanted`: the wanted languages, the preferred one first. Each language is looked up whole, then without its last
    part: `de-CH`, then `de` (RFC 4647 §3.4). Somebody who reads `pt-PT` also gets `pt-BR`, if there is no `pt`.
    """
    known = {tag.lower(): tag for tag in reversed(tuple(offered))}  # If tags are equal, the first tag wins.
    tags = [tag.lower() for tag in wanted]
    for tag in tags:
        parts = tag.split("-")
        for length in range(len(parts), 0, -1):
            if found := known.get("-".join(parts[:length])):
                return found
    for tag in tags:
        related = [found for key, found in known.items() if key.split("-")[0] == tag.split("-")[0]]
        if related:
            return related[-1]
    return None
