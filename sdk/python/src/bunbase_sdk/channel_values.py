"""The values that a channel brings to those who listen to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class HeardMessage:
    """A message of a channel. `sender`: the id of the user who published it, or None. `at`: the time, in RFC 3339.

    `lost`: messages before this one may be lost, because the channel does not keep them for so long.
    """

    offset: int
    sender: str | None
    at: str
    data: Any
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """One connection in the list of a channel. `name`: its name in this channel. `uid`: its user, or None."""

    name: str
    uid: str | None
    data: Any


@dataclass(frozen=True, slots=True)
class Members:
    """Everybody who is in a channel. `count`: their number. Above 500 of them, `items` is empty."""

    items: list[Member]
    count: int
