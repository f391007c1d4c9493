"""The messages that a channel stores (a ring), and the memory that all rings of a project share (a shelf).

A ring has limits on the number and age of its messages, and all rings of a project together have a limit in bytes. If
this limit is reached, the oldest messages of the project are dropped first, in any of its channels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from bunbase.contracts.buncast import START, History, Position

MAX_RING_BYTES: Final = 1 << 20
MESSAGE_BYTES: Final = 300  # A stored message takes this much memory in addition to its body.
CHANNEL_BYTES: Final = 1500  # A channel without messages takes this much memory.


class Kept(msgspec.Struct, frozen=True, eq=False):
    """A message in a ring. `at`: the time of its arrival on the monotonic clock, in seconds."""

    ring: Ring
    offset: int
    at: float
    body: bytes

    @property
    def size(self) -> int:
        return len(self.body) + MESSAGE_BYTES


class Shelf:
    """All messages that one project stores, the oldest first. `bytes`: the memory of these messages and their channels.

    `on_empty`: a function that is called with the name of a channel when its last message was dropped to free memory.
    """

    def __init__(self, max_bytes: int, on_empty: Callable[[str], None]) -> None:
        self.max_bytes = max_bytes
        self.on_empty = on_empty
        self.bytes = 0
        self._kept: OrderedDict[Kept, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, message: Kept) -> None:
        self._kept[message] = None
        self.bytes += message.size
        while self.bytes > self.max_bytes:
            ring = next(iter(self._kept)).ring
            ring.drop_oldest()
            if not ring:
                self.on_empty(ring.channel)

    def remove(self, message: Kept) -> None:
        del self._kept[message]
        self.bytes -= message.size


class Replay(msgspec.Struct, frozen=True):
    """The stored messages after a position. `lost`: true if the channel no longer has all of them."""

    messages: tuple[bytes, ...]
    lost: bool


class Ring:
    """The messages of one channel in their order. `epoch`: a random name.

    Offsets of different epochs cannot be compared.
    """

    __slots__ = ("_messages", "_shelf", "bytes", "channel", "epoch", "offset")

    def __init__(self, channel: str, epoch: str, shelf: Shelf) -> None:
        self.channel = channel
        self.epoch = epoch
        self.offset = 0
        self.bytes = 0
        self._shelf = shelf
        self._messages: list[Kept] = []  # A ring has at most 1,000 messages. An empty deque would take 700 bytes.

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, body: bytes, at: float, history: History | None) -> None:
        """Store the message that has the number `offset`, if the channel has a history."""
        if history is None:
            return
        message = Kept(self, self.offset, at, body)
        if not self._messages:
            self._shelf.bytes += CHANNEL_BYTES
        self._messages.append(message)
        self.bytes += message.size
        self._shelf.add(message)
        self.trim(at, history)

    def trim(self, now: float, history: History | None) -> None:
        """Drop the messages that are too many, too old or too large."""
        most, oldest = (0, now) if history is None else (history.messages, now - history.seconds)
        while self._messages and (
            len(self._messages) > most or self._messages[0].at <= oldest or self.bytes > MAX_RING_BYTES
        ):
            self.drop_oldest()

    def drop_oldest(self) -> None:
        message = self._messages.pop(0)
        self.bytes -= message.size
        self._shelf.remove(message)
        if not self._messages:
            self._shelf.bytes -= CHANNEL_BYTES

    def clear(self) -> None:
        while self._messages:
            self.drop_oldest()

    def replay(self, since: Position | str | None) -> Replay:
        """Return the messages after a position. START returns all stored messages, and None returns no messages."""
        if since is None:
            return Replay((), False)
        if since == START:
            return Replay(self._after(0), False)
        assert isinstance(since, Position)
        if since.epoch != self.epoch or not 0 <= since.offset <= self.offset:
            return Replay(self._after(0), True)
        first = self._messages[0].offset if self._messages else self.offset + 1
        return Replay(self._after(since.offset), since.offset < first - 1)

    def _after(self, offset: int) -> tuple[bytes, ...]:
        return tuple([message.body for message in self._messages if message.offset > offset])
