"""Settings of BunKMS."""

from __future__ import annotations

import msgspec


class KmsSettings(msgspec.Struct, frozen=True):
    """`master_key`: 32 bytes as base64; `master_key_file`: a file that holds the same, with mode 0600.

    In dev mode, without either, a key is made once and kept in the data directory.
    """

    master_key: str = ""
    master_key_file: str = ""
