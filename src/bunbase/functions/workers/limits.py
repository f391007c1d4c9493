"""Bounds on the frames of a worker. Our runtime never exceeds them, so a worker that does sends forged frames.

The server kills such a worker.
"""

from __future__ import annotations

from typing import Final

MAX_FRAME_BYTES: Final = 256 << 10
WINDOW_BYTES: Final = 256 << 10  # of one stream: sent by one side and not yet read by the other side (window.py)
MAX_HEADERS: Final = 128
MAX_HEADER_BYTES: Final = 32 << 10  # of all headers together
MAX_ERROR_BYTES: Final = 16 << 10
MAX_BYTECODE_BYTES: Final = 4 << 20  # compressed; runtime/worker.ts has the same number

# runtime/console.ts has the same numbers and cuts the log there.
MAX_LINE_BYTES: Final = 8 << 10
MAX_CALL_LOG_BYTES: Final = 64 << 10
LINE_OVERHEAD_BYTES: Final = 16  # counted for each line besides its text; otherwise empty lines would be free

# Frames that belong to a call that is over: they were on their way when the server ended the call. A worker that sends
# more such frames between two starts of calls is flooding the server.
MAX_STRAY_FRAMES: Final = 10_000

# Bounds on asks; runtime/asks.ts has the same numbers.
MAX_ASKS: Final = 64  # open at the same time, per worker
MAX_WHOLE_BYTES: Final = 64 << 10  # of a body that is part of the ASK or REPLY frame; a longer body has its own frames
MAX_LARGE_ASKS: Final = 2  # the bodies that the server collects in memory at the same time: 2 × 10 MiB per worker
