"""The side of a transport that a session writes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Packed = dict[tuple[bytes, ...], bytes]  # Messages that were already packed for another session in this tick.


class Outlet(Protocol):
    """One connection of a client. `transport`: its kind, a label of metrics.

    `answers_pings`: true if the client must send something within `silent_seconds`. If false, the transport itself
    notices that the client is gone.
    """

    transport: str
    answers_pings: bool

    @property
    def waiting_bytes(self) -> int:
        """The bytes that wait in the memory of this process until the client reads."""
        ...

    def send(self, messages: Sequence[bytes], packed: Packed | None = None) -> int:
        """Send messages together, and return the number of bytes.

        `packed`: the messages that other sessions have packed.
        """
        ...

    def close(self, code: int, reason: str) -> None:
        """End the connection, after the client has read what was sent. Idempotent."""
        ...

    def abort(self) -> None:
        """End the connection now."""
        ...


def joined(messages: Sequence[bytes]) -> bytes:
    """Return a single message unchanged, and several messages as a JSON array."""
    return messages[0] if len(messages) == 1 else b"[%b]" % b",".join(messages)
