"""Limits on the frames of a worker.

Our runtime never exceeds them, so a worker that exceeds a limit sends forged frames.

The server kills such a worker.
"""

from __future__ import annotations

from typing import Final

MAX_FRAME_BYTES: Final = 256 << 10
# One stream may have this many bytes that one side has sent and the other side has not read yet (window.py).
WINDOW_BYTES: Final = 256 << 10
MAX_HEADERS: Final = 128
MAX_HEADER_BYTES: Final = 32 << 10  # All headers together have at most this size.
MAX_ERROR_BYTES: Final = 16 << 10
MAX_BYTECODE_BYTES: Final = 4 << 20  # Compressed bytecode has at most this size. runtime/worker.ts has the same number.

# runtime/console.ts has the same numbers, and cuts the log at these limits
MAX_LINE_BYTES: Final = 8 << 10
MAX_CALL_LOG_BYTES: Final = 64 << 10
# This number is added for each line, because otherwise empty lines would cost nothing.
LINE_OVERHEAD_BYTES: Final = 16

# Frames of a call that is over: they were already sent when the server ended the call. If a worker sends more such
# frames between two starts of calls, it is flooding the server.
MAX_STRAY_FRAMES: Final = 10_000

# Limits on asks; runtime/asks.ts has the same numbers.
MAX_ASKS: Final = 64  # A worker has at most this many open asks.
# The ASK or REPLY frame contains a body of at most this size. A longer body has its own frames.
MAX_WHOLE_BYTES: Final = 64 << 10
# The server collects bodies of at most this size in memory at the same time: 2 × 10 MiB per worker.
MAX_LARGE_ASKS: Final = 2
