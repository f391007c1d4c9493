"""The messages of a channel, as the command reads them (docs/live-protocol.md)."""

from __future__ import annotations

from typing import Any

import msgspec

from bunbase.cli.errors import Refused, Unreachable

JOIN = 1  # the id of the channel on its connection, which joins no other channel


class Heard(msgspec.Struct, frozen=True):
    """A message of a channel, as the command prints it. `sender`: the id of the user, or None if a server published it.

    `lost`: messages before this message were lost. If no message follows the lost messages, `data` is empty.
    """

    offset: int
    sender: str | None
    at: str
    data: msgspec.Raw
    lost: bool


class Carried(msgspec.Struct, frozen=True):
    offset: int
    sender: str | None = msgspec.field(name="from", default=None)
    at: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class ChannelMessage(msgspec.Struct, frozen=True):
    """A message of the server, with only the members that the command needs."""

    t: str
    c: str = ""
    epoch: str = ""
    offset: int = 0
    sender: str | None = msgspec.field(name="from", default=None)
    at: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    messages: tuple[Carried, ...] = ()
    lost: bool = False
    problem: dict[str, Any] = {}


class FollowedChannel:
    """The position of the command in a channel. `start`: begin with all messages that the channel keeps."""

    def __init__(self, channel: str, start: bool) -> None:
        self.channel = channel
        self.start = start
        self.handle = ""
        self.epoch = ""
        self.offset = -1

    def body(self) -> dict[str, Any]:
        """Return the body of a request that joins the channel, and continues after the last message."""
        since: dict[str, Any] = {"since": "start"} if self.start else {}
        if self.epoch:
            since = {"since": {"epoch": self.epoch, "offset": self.offset}}
        return {"send": [{"t": "join", "id": JOIN, "channel": self.channel, **since}]}

    def take(self, message: ChannelMessage) -> tuple[Heard, ...]:
        """Process one message, and return the messages of the channel in it.

        Raises: Refused; Unreachable if the command must connect again.
        """
        match message.t:
            case "joined":
                return self._joined(message)
            case "msg" if message.c == self.handle and message.offset > self.offset:
                if message.offset > self.offset + 1:
                    raise Unreachable("A message of the server was lost.")
                self.offset = message.offset
                return (Heard(message.offset, message.sender, message.at, message.data, lost=False),)
            case "end" | "error":
                raise Refused(message.problem)
            case "bye":
                raise Unreachable("The server ended the answer.")
            case _:
                return ()

    def _joined(self, message: ChannelMessage) -> tuple[Heard, ...]:
        known = self.offset if self.epoch == message.epoch else -1
        news = [one for one in message.messages if one.offset > known]
        self.handle, self.epoch, self.offset = message.c, message.epoch, message.offset
        if message.lost and not news:
            news = [Carried(message.offset)]
        return tuple(
            Heard(one.offset, one.sender, one.at, one.data, message.lost and number == 0)
            for number, one in enumerate(news)
        )


def matches(pattern: str, channel: str) -> bool:
    """True if a pattern such as `rooms/{room}` matches the name of a channel."""
    parts, segments = pattern.split("/"), channel.split("/")
    return len(parts) == len(segments) and all(
        segment != "" if part.startswith("{") else part == segment
        for part, segment in zip(parts, segments, strict=True)
    )
