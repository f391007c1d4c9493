"""The contract of Buncast: channels, whose messages are not stored as documents, and the presence of their members.

A process that serves clients is an *edge*. An edge opens one stream for all projects (`deliver`), and joins channels
under numbers of its choice; one number is one subscription of one connection. A message crosses the stream once for all
subscriptions of a channel. Bodies hold the bytes that clients get: members of a JSON object, without the braces.

One process, the *home*, numbers the messages of all channels. The home keeps the newest messages and the members in
memory. After a restart of the home, or a break of its stream, an edge opens the stream and joins again with the last
position of each subscription: the answer has the messages in between, or `lost`. docs/decisions/0088 has the reasons.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.live_usage import LiveUsage
from bunbase.pkg.errors import Problem
from bunbase.pkg.rpc.wire import waits_for_news

MAX_PATTERNS: Final = 100
MAX_NAME_BYTES: Final = 200
MAX_DATA_BYTES: Final = 32 << 10
MAX_PRESENCE_BYTES: Final = 2 << 10
MAX_MESSAGES: Final = 100  # the maximum number of messages in one call of `publish`
MAX_HISTORY_MESSAGES: Final = 1000
MAX_HISTORY_SECONDS: Final = 3600
MAX_KEY: Final = 200  # the key of a message may have at most this number of characters
SHOWN_MEMBERS: Final = 500  # if a channel has more members, only their number is sent
BEAT_SECONDS: Final = 2.0  # the interval at which an edge calls `beat`
LEASE_SECONDS: Final = 6.0  # after this time without a call of `beat`, an edge counts as dead

START: Final = "start"


class InvalidChannel(Problem):
    """`path`: the place of the mistake in the definition of the channels."""

    status, code, title = 422, "invalid_channel", "These channels are not valid"


class MessageTooLarge(Problem):
    """`limit`: the largest allowed number of bytes."""

    status, code, title = 413, "message_too_large", "This message is too large for a channel"


class PublishLimited(Problem):
    """`limit`: the number of messages that may be published in a second."""

    status, code, title = 429, "publish_limited", "Too many messages are published"


class TooManySubscriptions(Problem):
    status, code, title = 429, "too_many_subscriptions", "The project has too many subscriptions of channels"


class TooManyMembers(Problem):
    status, code, title = 429, "too_many_members", "The members of this project's channels take too much room"


class NoPresence(Problem):
    status, code, title = 409, "no_presence", "This channel has no presence"


class NotJoined(Problem):
    status, code, title = 409, "not_joined", "This connection has not joined the channel"


class ChannelProjectDeleted(Problem):
    status, code, title = 410, "channel_project_deleted", "The project has been deleted"


class NoChannelStream(Problem):
    """The edge has no open stream: it must call `deliver` before `join`."""

    status, code, title = 409, "no_channel_stream", "The stream of channels is not open"


class ChannelStreamBehind(Problem):
    """The edge reads too slowly.

    The home has forgotten its subscriptions. The edge must open the stream and join again.
    """

    status, code, title = 503, "channel_stream_behind", "The stream of channels was not read fast enough"


class ChannelRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The sources of the rules, in CEL. Without a rule, only the secret key and members of the project may do the act.

    Variables: `auth`, `channel`, `params` (the parts of the name that match `{…}` in the pattern) and `now`. `message`
    is the data to publish, or the presence of a member; null for a caller that only wants to see the members.
    """

    subscribe: str | None = None
    publish: str | None = None
    presence: str | None = None


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The messages that a channel keeps: at most `messages`, each for `seconds`."""

    messages: Annotated[int, msgspec.Meta(ge=1, le=MAX_HISTORY_MESSAGES)] = 100
    seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_HISTORY_SECONDS)] = 300


class ChannelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The definition of the channels whose names match one pattern. `history`: the messages that a channel keeps; None
    if it keeps no messages. `presence`: true if the channels have a list of members.
    """

    rules: ChannelRules = ChannelRules()
    history: History | None = None
    presence: bool = False


class Channels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The definitions of all channels of a project, by pattern.

    In a pattern such as `rooms/{room}`, `{room}` stands for one segment. The most literal pattern that matches a name
    decides about the channel. If no pattern matches, only the secret key and members of the project may use the
    channel.
    """

    channels: dict[str, ChannelSpec] = {}


class Position(msgspec.Struct, frozen=True):
    """A place in a channel's order of messages: the message with this `offset`, or the beginning if `offset` is 0."""

    epoch: str
    offset: int


class NewMessage(msgspec.Struct, frozen=True):
    """A message to publish. `data`: JSON text.

    `key`: if the same caller repeats the message with this key within two minutes, Buncast publishes it only once; ""
    for no key.
    `edge`, `number`: the edge that publishes, and a number that this edge chooses. If the edge listens to the channel,
    it gets this number back with the message (`Message.source`).
    """

    channel: str
    data: bytes
    key: str = ""
    edge: str = ""
    number: int = 0


class Published(msgspec.Struct, frozen=True):
    """The place of a message in its channel. `offset`: 0 if nobody listens and the channel keeps no messages."""

    channel: str
    epoch: str
    offset: int


class Publication(msgspec.Struct, frozen=True):
    """The places of the messages of one call, in the order of the call.

    `replayed`: true if an earlier call with the same key has published them.
    """

    items: tuple[Published, ...]
    replayed: bool = False


class Join(msgspec.Struct, frozen=True):
    """A subscription to begin.

    `since`: the position (docs/live-protocol.md) after which the client wants messages; None for messages from now on.

    `presence`: JSON text; None joins without entering the list of members.
    `connection`: a secret name of the client's connection, under which the members of the connection are found.
    `resumes`: the name of the client's earlier connection, or "". With this name, the client stays the same member if
    the user is the same.
    """

    channel: str
    since: Position | Literal["start"] | None = None
    presence: bytes | None = None
    connection: str = ""
    resumes: str = ""


class Joined(msgspec.Struct, frozen=True, tag="joined"):
    """The subscription `number` has begun, or was brought up to date (`replay`). Messages after `offset` follow.

    `channel`: the name of the channel in later events of this home; it has no meaning for another home. `sees`: true if
    MembersChanged is for this subscription too. `checks`: the number of calls of `recheck` that had changed the caller
    of the subscription.
    `body`: `"epoch":…,"offset":…,"messages":[…],"lost":…`; if the subscription sees members, also `"n":…` and, if there
    are at most SHOWN_MEMBERS, `"members":[…]`; if the subscription is a member itself, `"m":…`.
    """

    number: int
    channel: str
    epoch: str
    offset: int
    sees: bool
    body: bytes
    checks: int = 0


class Message(msgspec.Struct, frozen=True, tag="message"):
    """A message of a channel. `source`: the number under which this edge has published the message, 0 for every other
    message.

    `body`: `"offset":…,"from":…,"at":…,"data":…`.
    """

    channel: str
    offset: int
    body: bytes
    source: int = 0


class MembersChanged(msgspec.Struct, frozen=True, tag="members"):
    """The members of a channel have changed. The event is for the subscriptions that see members.

    `body`: `"enter":[…],"update":[…],"leave":[…],"n":…`. Empty lists are left out. With more than SHOWN_MEMBERS
    members, the body has only `"n"`, and the list of members is not sent any more. When there are fewer members again,
    `"members":[…]` is the whole list.
    """

    channel: str
    body: bytes


class SubscriptionEnded(msgspec.Struct, frozen=True, tag="ended"):
    """A subscription has ended. `problem`: the members of problem+json."""

    number: int
    problem: dict[str, Any]


ChannelEvent = Joined | Message | MembersChanged | SubscriptionEnded


class Buncast(LiveUsage, Protocol):
    """Every call with a Caller takes its project from the Caller.

    Every call may raise RuleDenied (contracts.bundoc.problems), like the rules of documents.
    """

    async def channels(self, caller: Caller) -> Channels:
        """Return the definitions of the project's channels. Raises: Forbidden, InsufficientScope."""
        ...

    async def put_channels(self, caller: Caller, channels: Channels) -> Channels:
        """Replace all definitions. Subscriptions that the new rules deny end at once.

        Raises: InvalidChannel, InvalidRule, Forbidden, InsufficientScope.
        """
        ...

    async def publish(self, caller: Caller, messages: tuple[NewMessage, ...], idempotency_key: str = "") -> Publication:
        """Publish 1 to MAX_MESSAGES messages, all or none. Each channel gets its messages in this order.

        `idempotency_key`: a repetition of the whole call within two minutes returns the first result.
        Raises: RuleDenied, InvalidInput, MessageTooLarge, PublishLimited, IdempotencyMismatch, IdempotencyBusy.
        """
        ...

    @waits_for_news
    def deliver(self, edge: str) -> AsyncIterator[tuple[ChannelEvent, ...]]:
        """Yield the events of all subscriptions of this edge, in order. The first item is empty: the stream is open.

        Empty items later are signs of life. When the stream ends, all subscriptions of the edge are forgotten, and its
        members leave if they do not join again within LEASE_SECONDS. A new stream of the same edge ends the older one.
        Raises: ChannelStreamBehind.
        """
        ...

    async def beat(self, edge: str) -> None:
        """Report that the edge is alive.

        If an edge does not call for LEASE_SECONDS, its stream ends. Raises: NoChannelStream.
        """
        ...

    async def join(self, caller: Caller, edge: str, number: int, join: Join) -> None:
        """Begin a subscription. The event Joined is in the stream before every message of the channel for this
        subscription.

        Raises: NoChannelStream, InvalidInput, RuleDenied, NoPresence, MessageTooLarge, TooManySubscriptions,
        TooManyMembers.
        """
        ...

    async def replay(self, edge: str, number: int, since: Position) -> None:
        """Bring a subscription up to date after its client has read too slowly.

        The result, Joined, comes in the stream.

        The edge must deliver no message of the subscription after the first one that it left out, until this Joined.
        Raises: NotJoined.
        """
        ...

    async def leave(self, edge: str, numbers: tuple[int, ...], closed: bool = False) -> None:
        """End these subscriptions. Idempotent; events that are on their way may still arrive.

        `closed`: true if the connection was lost. Then the members of the connection leave after two seconds, if no new
        connection resumes the subscriptions.
        """
        ...

    async def set_presence(self, caller: Caller, edge: str, number: int, data: bytes | None) -> None:
        """Enter the list of members, or change the member's data (JSON text). With None, leave the list.

        Raises: NotJoined, NoPresence, RuleDenied, MessageTooLarge, TooManyMembers, InvalidInput.
        """
        ...

    async def recheck(self, caller: Caller, edge: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Check these subscriptions with this caller from now on, because the token was renewed or the role was
        changed.

        Return the subscriptions that the rules now deny: they have ended, and SubscriptionEnded follows in the stream.
        The edge must deliver no message of these subscriptions until this call returns. If a subscription is a member
        for another user, this member leaves; the caller can enter again with `set_presence`.
        """
        ...

    async def drop_project(self, project: str) -> None:
        """End all subscriptions of a project that is being deleted, and delete its definitions. Idempotent."""
        ...
