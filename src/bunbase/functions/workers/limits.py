"""Bounds on the frames of a worker. The runtime keeps them: a worker that exceeds one forges frames and is killed."""

from __future__ import annotations

from typing import Final

MAX_FRAME_BYTES: Final = 256 << 10
WINDOW_BYTES: Final = 256 << 10  # of an answer, on its way or waiting for its reader
MAX_HEADERS: Final = 128
MAX_HEADER_BYTES: Final = 32 << 10  # of all headers together
MAX_ERROR_BYTES: Final = 16 << 10
MAX_BYTECODE_BYTES: Final = 4 << 20  # packed; in step with runtime/worker.ts

# the runtime cuts at the same sizes: keep in step with runtime/console.ts
MAX_LINE_BYTES: Final = 8 << 10
MAX_CALL_LOG_BYTES: Final = 64 << 10
LINE_OVERHEAD_BYTES: Final = 16  # counted for each line besides its text, so that empty lines reach the bound too

# Frames of calls that are over: what was under way when the host gave one up. More than that is a flood.
MAX_STRAY_FRAMES: Final = 10_000

# Bounds on asks: keep in step with runtime/asks.ts
MAX_ASKS: Final = 64  # at once
MAX_WHOLE_BYTES: Final = 64 << 10  # of a body that travels with its question or answer, not in frames of its own
MAX_LARGE_ASKS: Final = 2  # asks whose bodies are collected in memory at the same time: 2 × 10 MiB per worker
