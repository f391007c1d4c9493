"""The messages of channels, and the state of a connection for each channel that it has joined."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.buncast import MAX_KEY, START, Join, Position
from bunbase.gateway.live.messages import Id, Message, Text
from bunbase.gateway.live.session import Session

MAX_OFFSET: Final = 1 << 62

ChannelName = Annotated[str, msgspec.Meta(max_length=200)]


class SentPosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    epoch: Text
    offset: Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)]


class JoinMessage(Message, frozen=True, tag="join"):
    id: Id
    channel: ChannelName
    since: SentPosition | Literal["start"] | None = None
    presence: msgspec.Raw | UnsetType = UNSET


class LeaveMessage(Message, frozen=True, tag="leave"):
    id: Id


class PublishMessage(Message, frozen=True, tag="publish"):
    id: Id
    channel: ChannelName
    data: msgspec.Raw
    key: Annotated[str, msgspec.Meta(max_length=MAX_KEY)] = ""
    echo: bool = True


class PresenceMessage(Message, frozen=True, tag="presence"):
    """A change of the connection's member. Without `data`, the connection leaves the list of members."""

    id: Id
    channel: ChannelName
    data: msgspec.Raw | UnsetType = UNSET


class ChannelJoin:
    """A channel that a client has joined. `id`: the number that the client has chosen. `number`: the number of the
    subscription at Buncast; 0 if there is none.

    `since`: the position at which the first answer begins. `epoch`, `offset`: the last message that was sent to the
    client.
    `checks`: the number of requests to Buncast to decide about the number again. If an answer has a lower value, the
    decision was made for the previous caller.
    `presence`: the data of the member; None if the client is no member. `handle`: the channel's name in events; "" if
    the client is not up to date. `asking`: true during a request to Buncast. `settled`: true if Buncast has accepted
    the number. `sees`: true if the client gets the changes of members. `shown`: true if the client has got an answer
    before. `ended`: true if the client has left the channel.
    `silent`: the numbers of the messages to this channel that the client does not want to get; None for no message.
    """

    __slots__ = (
        "asking",
        "channel",
        "checks",
        "ended",
        "epoch",
        "handle",
        "id",
        "number",
        "offset",
        "presence",
        "sees",
        "session",
        "settled",
        "shown",
        "silent",
        "since",
    )

    def __init__(self, session: Session, message: JoinMessage) -> None:
        self.session = session
        self.id = message.id
        self.channel = message.channel
        self.since = message.since
        self.presence = bytes(message.presence) if isinstance(message.presence, msgspec.Raw) else None
        self.number = 0
        self.checks = 0
        self.epoch = ""
        self.offset = 0
        self.handle = ""
        self.asking = False
        self.settled = False
        self.sees = False
        self.shown = False
        self.ended = False
        self.silent: dict[int, None] | None = None

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.offset)

    def asked(self) -> Join:
        """Return the request to Buncast.

        After the first answer, the request asks for the messages that the client lacks.
        """
        since: Position | Literal["start"] | None
        if self.shown:
            since = self.position
        elif isinstance(self.since, SentPosition):
            since = Position(self.since.epoch, self.since.offset)
        else:
            since = START if self.since is not None else None
        resumes = "" if self.shown else self.session.resumes
        return Join(self.channel, since, self.presence, self.session.id, resumes)
