"""Credit for one stream of bytes between the server and a worker.

The sender may be at most WINDOW_BYTES ahead of the reader, so a slow reader never makes memory grow on either side:
1. Both ends begin with a credit of WINDOW_BYTES.
2. The sender subtracts the bytes that it sends. The receiver subtracts the bytes that arrive. If the receiver's count
   falls below zero, the sender is hostile.
3. After GRANT_BYTES have been read, the receiver sends a frame with credit for these bytes, and both ends add the
   credit.

A Window is the receiving end for answers (call.py) and for the bodies of asks (asks.py). A Window is also the sending
end for request bodies (upload.py) and for the replies to asks (asks.py).
"""

from __future__ import annotations

from typing import Final

from bunbase.functions.workers.frames import LENGTH, BadFrame
from bunbase.functions.workers.limits import WINDOW_BYTES

# It would cost more than the read to send a frame of credit after every small read.
GRANT_BYTES: Final = WINDOW_BYTES // 2


class Window:
    """One end of a stream. `left`: the bytes that may still be sent. `spent`: the bytes that the sender has sent
    already.
    """

    __slots__ = ("_read_bytes", "left")

    def __init__(self, spent: int = 0) -> None:
        self.left = WINDOW_BYTES - spent
        self._read_bytes = 0  # The number of bytes that were read since the last grant.

    def spend(self, count: int) -> None:
        self.left -= count

    def receive(self, count: int, stream: str) -> None:
        """Subtract bytes that a worker sent. Raises: BadFrame if the worker had no credit for them."""
        self.left -= count
        if self.left < 0:
            raise BadFrame(f"more bytes of {stream} than its credit allows")

    def grant_after(self, count: int) -> int:
        """Record that `count` bytes were read. Return the credit to send to the worker now, which is usually 0."""
        self._read_bytes += count
        if self._read_bytes < GRANT_BYTES:
            return 0
        granted, self._read_bytes = self._read_bytes, 0
        self.left += granted
        return granted

    def add_credit(self, payload: bytes) -> None:
        """Add the credit of a worker's frame. Raises: BadFrame if the frame is malformed, or if the credit exceeds the
        bytes already sent.
        """
        count = LENGTH.unpack(payload)[0] if len(payload) == LENGTH.size else 0
        if not 0 < count <= WINDOW_BYTES - self.left:
            raise BadFrame("credit for bytes that were never sent")
        self.left += count
