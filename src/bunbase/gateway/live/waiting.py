"""The messages of one client that wait until its sign-in is valid."""

from __future__ import annotations

from typing import Final

from bunbase.gateway.live.messages import Auth, Message

MAX_WAITING: Final = 200
MAX_WAITING_BYTES: Final = 1 << 20  # Without this limit, 200 messages could take 13 MB for each connection.


class Waiting:
    """The waiting messages of one client. `bytes`: the size of all messages, as they were sent. `older`: the number of
    messages that were sent before the `auth` that is being checked.
    """

    __slots__ = ("_messages", "bytes", "older")

    def __init__(self) -> None:
        self._messages: list[tuple[Message, int]] = []  # A deque would take 600 bytes more.
        self.bytes = 0
        self.older = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message, size: int) -> bool:
        """Add a message with this size. If there are now too many messages, forget all of them and return False."""
        self._messages.append((message, size))
        self.bytes += size
        if len(self._messages) <= MAX_WAITING and self.bytes <= MAX_WAITING_BYTES:
            return True
        self._messages.clear()
        self.bytes = self.older = 0
        return False

    def take(self, place: int) -> Message:
        """Remove and return the message at this place. The messages before it now count as `older`."""
        message, size = self._messages.pop(place)
        self.bytes -= size
        self.older = place
        return message

    def take_older(self) -> list[Message]:
        """Remove and return the messages that count as `older`."""
        return [self._next() for _ in range(self.older)]

    def place_of_auth(self) -> int | None:
        """Return the place of the first `auth`, None if there is none."""
        return next((place for place, (message, _) in enumerate(self._messages) if isinstance(message, Auth)), None)

    def _next(self) -> Message:
        message, size = self._messages.pop(0)
        self.bytes -= size
        return message
