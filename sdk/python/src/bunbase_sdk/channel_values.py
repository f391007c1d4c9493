"""The values that listeners of a channel receive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class HeardMessage:
    """A message of a channel. `sender`: the id of the user who published it, or None. `at`: the time, in RFC 3339.

    `lost`: messages before this message may be lost, because the channel no longer keeps them.
    """

    offset: int
    sender: str | None
    at: str
    data: Any
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """One connection in a channel's list of members.

    `name`: the connection's name in this channel. `uid`: the user of the connection, or None.
    """

    name: str
    uid: str | None
    data: Any


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a channel. `count`: their number. If there are more than 500, `items` is empty."""

    items: list[Member]
    count: int
