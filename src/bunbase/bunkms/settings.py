"""Settings of BunKMS."""

from __future__ import annotations

import msgspec


class KmsSettings(msgspec.Struct, frozen=True):
    """The master key. If neither setting is set, dev mode makes a key at the first start and stores it in the data
    directory.

    `master_key`: the master key, 32 bytes in base64.
    `master_key_file`: a file with mode 0600 that holds the master key.
    """

    master_key: str = ""
    master_key_file: str = ""
