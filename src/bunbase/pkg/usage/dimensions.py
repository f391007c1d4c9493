"""The dimensions of usage. The database stores their numbers, so a number must never be changed or reused."""

from __future__ import annotations

from enum import IntEnum


class Dimension(IntEnum):
    DOC_READS = 1
    DOC_WRITES = 2
    DOC_BYTE_HOURS = 3
    FN_CALLS = 4
    # For each call, this is the duration in milliseconds times the memory limit of the function in megabytes.
    FN_MB_MS = 5
    FN_CPU_US = 6
    EGRESS_BYTES = 7
    RT_MESSAGES = 8  # This counts messages that were delivered to live connections.
    RT_CONNECTION_SECONDS = 9
    MAU = 10
    FILE_BYTE_HOURS = 11
    KMS_OPS = 12
    KV_OPS = 13
    RT_PUBLISHED = 14  # This counts messages that were published in channels.
