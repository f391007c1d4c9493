"""Credit for one stream of bytes between the server and a worker.

The sender may be at most WINDOW_BYTES ahead of the reader, so a slow reader never makes memory grow on either side:
1. Both ends begin with a full window.
2. The sender spends as many bytes as it sends. A receiver spends the same number when the bytes arrive, and takes a
   sender that goes below zero for hostile.
3. As the bytes are read, the receiver returns them in one frame of credit per GRANT_BYTES, and the sender adds them.

Answers (call.py) and the bodies of asks (asks.py) are received here; request bodies (upload.py) and the replies to asks
(asks.py) are sent from here.
"""

from __future__ import annotations

from typing import Final

from bunbase.functions.workers.frames import LENGTH, BadFrame
from bunbase.functions.workers.limits import WINDOW_BYTES

GRANT_BYTES: Final = WINDOW_BYTES // 2  # a frame of credit for every small read would cost more than the read


class Window:
    """`left`: the bytes that may still be sent. `spent`: the bytes that were sent before this object was made."""

    __slots__ = ("_read_bytes", "left")

    def __init__(self, spent: int = 0) -> None:
        self.left = WINDOW_BYTES - spent
        self._read_bytes = 0  # since the last grant

    def spend(self, count: int) -> None:
        self.left -= count

    def receive(self, count: int, stream: str) -> None:
        """Spend bytes that a worker sent. Raises: BadFrame if it had no credit for them."""
        self.left -= count
        if self.left < 0:
            raise BadFrame(f"more of {stream} than was asked for")

    def grant_after(self, count: int) -> int:
        """Note that `count` bytes were read; return the credit to send to the worker now, usually 0."""
        self._read_bytes += count
        if self._read_bytes < GRANT_BYTES:
            return 0
        granted, self._read_bytes = self._read_bytes, 0
        self.left += granted
        return granted

    def add_credit(self, payload: bytes) -> None:
        """Take a worker's frame of credit. Raises: BadFrame if it is malformed or exceeds what was sent."""
        count = LENGTH.unpack(payload)[0] if len(payload) == LENGTH.size else 0
        if not 0 < count <= WINDOW_BYTES - self.left:
            raise BadFrame("credit for bytes that were never sent")
        self.left += count
