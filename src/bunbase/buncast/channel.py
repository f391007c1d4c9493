"""One channel that has subscriptions, stored messages or members. No method in this file waits."""

from __future__ import annotations

import msgspec

from bunbase.buncast.buckets import Bucket
from bunbase.buncast.definitions import ChannelKind
from bunbase.buncast.edge import EdgeStream, Subscription
from bunbase.buncast.presence import Presence
from bunbase.buncast.ring import Replay, Ring
from bunbase.contracts.buncast import Joined, MembersChanged, Message, Position, SubscriptionEnded
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem


class ReadyMessage(msgspec.Struct, frozen=True):
    """A message that is ready for its channel. `rest`: the part of its JSON that follows the member `offset`."""

    rest: bytes
    edge: str
    number: int


class Channel:
    """A channel in memory. `handle`: the name of the channel in events. `kind`, `params`: the definition of the
    channel.

    A visitor can make many channels, so each one is small: CHANNEL_BYTES.
    """

    __slots__ = (
        "_edges",
        "_seeing",
        "bucket",
        "handle",
        "kind",
        "name",
        "params",
        "presence",
        "ring",
        "subscriptions",
    )

    def __init__(
        self, name: str, handle: str, definition: tuple[ChannelKind, dict[str, str]], ring: Ring, presence: Presence
    ) -> None:
        self.name = name
        self.handle = handle
        self.kind, self.params = definition
        self.ring = ring
        self.presence = presence
        self.subscriptions: dict[Subscription, None] = {}  # An empty set would take 150 bytes more.
        self.bucket: Bucket | None = None
        self._edges: dict[EdgeStream, int] = {}
        self._seeing: dict[EdgeStream, int] = {}

    @property
    def empty(self) -> bool:
        """True if the channel has no state and can be forgotten."""
        return not self.subscriptions and not self.ring and not self.presence.members and not self.presence.busy

    def publish(self, message: ReadyMessage, now: float) -> int:
        """Number a message, store it if the channel has a history, and send it to all edges.

        Return the offset of the message.
        """
        self.ring.offset += 1
        body = b'"offset":%d,' % self.ring.offset + message.rest
        self.ring.add(body, now, self.kind.history)
        event = Message(self.handle, self.ring.offset, body)
        for edge in self._edges:
            own = edge.name == message.edge and message.number
            edge.put(msgspec.structs.replace(event, source=message.number) if own else event)
        return self.ring.offset

    def enter(self, one: Subscription, since: Position | str | None, now: float) -> None:
        """Begin a subscription. The caller has already set its `sees` and `member`."""
        self.subscriptions[one] = None
        _add(self._edges, one.edge, 1)
        if one.sees:
            _add(self._seeing, one.edge, 1)
        self.ring.trim(now, self.kind.history)
        self.tell(one, self.ring.replay(since))

    def replay(self, one: Subscription, since: Position, now: float) -> None:
        self.ring.trim(now, self.kind.history)
        self.tell(one, self.ring.replay(since))

    def tell(self, one: Subscription, replay: Replay) -> None:
        ring = self.ring
        if replay.lost:
            metrics.buncast_lost.inc()
        parts = [
            b'"epoch":"%b","offset":%d' % (ring.epoch.encode(), ring.offset),
            b'"messages":[' + b",".join([b"{" + body + b"}" for body in replay.messages]) + b"]",
            b'"lost":true' if replay.lost else b'"lost":false',
        ]
        if one.sees:
            parts.append(self.presence.body())
        if (member := one.own_member) is not None:
            parts.append(b'"m":"%b"' % member.name.encode())
        body = b",".join(parts)
        one.edge.put(Joined(one.number, self.handle, ring.epoch, ring.offset, one.sees, body, one.checks))

    def leave(self, one: Subscription, linger_until: float | None) -> None:
        """End a subscription. `linger_until`: the time until which the member stays; None if the member leaves at once.
        Idempotent.
        """
        if one not in self.subscriptions:
            return
        del self.subscriptions[one]
        _add(self._edges, one.edge, -1)
        if one.sees:
            _add(self._seeing, one.edge, -1)
        one.edge.subscriptions.pop(one.number, None)
        if (member := one.own_member) is not None:
            if linger_until is None:
                self.presence.leave(member)
            else:
                self.presence.linger(member, linger_until)

    def end(self, one: Subscription, problem: Problem) -> None:
        """End a subscription because the server decides so, and tell the client the reason."""
        self.leave(one, None)
        one.edge.put(SubscriptionEnded(one.number, problem.body()))

    def tick(self, now: float) -> None:
        """Send the changes of members if it is time to send them."""
        if (body := self.presence.tick(now)) is not None:
            event = MembersChanged(self.handle, body)
            for edge in self._seeing:
                edge.put(event)

    def redefine(self, kind: ChannelKind, params: dict[str, str], now: float) -> None:
        self.kind = kind
        self.params = params
        self.ring.trim(now, kind.history)


def _add(counts: dict[EdgeStream, int], edge: EdgeStream, change: int) -> None:
    """Change the count of an edge. Drop the count when it is zero."""
    if count := counts.get(edge, 0) + change:
        counts[edge] = count
    else:
        del counts[edge]
