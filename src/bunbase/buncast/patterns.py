"""Patterns of channel names, such as `rooms/{room}`: `{room}` stands for one segment that is not empty."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from bunbase.contracts.buncast import MAX_NAME_BYTES
from bunbase.pkg.control_characters import holds_control

PARAMETER: Final = re.compile(r"\{([a-zA-Z][a-zA-Z0-9_]{0,39})\}")
BRACES: Final = frozenset("{}")


class BadName(ValueError):
    """A name or pattern is not valid. The message is a sentence for the caller."""


class Pattern(msgspec.Struct, frozen=True):
    """`segments`: the literal segments, and None for each parameter. `names`: the names of the parameters, in order."""

    source: str
    segments: tuple[str | None, ...]
    names: tuple[str, ...]

    @property
    def rank(self) -> tuple[int, tuple[bool, ...]]:
        """A number that is lowest for the most literal pattern, which has few parameters, far to the right."""
        return len(self.names), tuple([segment is None for segment in self.segments])

    def params(self, segments: list[str]) -> dict[str, str] | None:
        """Return the parameters if the pattern matches, else None.

        `segments`: a name with as many segments as the pattern.
        """
        values = []
        for wanted, found in zip(self.segments, segments, strict=True):
            if wanted is None and found:
                values.append(found)
            elif wanted != found:
                return None
        return dict(zip(self.names, values, strict=True))


def check_name(name: str) -> None:
    """Check that a channel can have this name. Raises: BadName."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise BadName("The name of a channel must be valid Unicode text.") from None
    if not 1 <= size <= MAX_NAME_BYTES:
        raise BadName(f"The name of a channel has 1 to {MAX_NAME_BYTES} bytes; this one has {size}.")
    if holds_control(name):
        raise BadName("The name of a channel has no control characters.")


def parse_pattern(source: str) -> Pattern:
    """Parse a pattern. Raises: BadName."""
    check_name(source)
    segments: list[str | None] = []
    names: list[str] = []
    for text in source.split("/"):
        if (parameter := PARAMETER.fullmatch(text)) is not None:
            segments.append(None)
            names.append(parameter[1])
        elif BRACES & set(text):
            raise BadName(
                f"{text}: a parameter is a whole segment, such as {{room}}: a letter, then letters, digits and _."
            )
        else:
            segments.append(text)
    if len(set(names)) < len(names):
        raise BadName("Each parameter of a pattern needs another name.")
    return Pattern(source, tuple(segments), tuple(names))
