"""The SQL functions of searches, which run in Python."""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.query.condition import MATCHES_FUNCTION
from bunbase.bundoc.query.order import watched_key
from bunbase.bundoc.query.sql import KEY_FUNCTION
from bunbase.bundoc.sqlite_engine.text_tables import prepare_scores
from bunbase.bundoc.sqlite_engine.watch import ScanWatch, Ticks, Watch, found_within
from bunbase.pkg.patterns import pattern

decode: Final = msgspec.json.Decoder().decode

IN_A_SCAN: Final = ScanWatch()


def prepare(connection: apsw.Connection, watch: Watch = IN_A_SCAN) -> None:
    """Register the SQL functions of searches on a connection. Each function asks the watch for the remaining time."""

    def matches(*args: Any) -> int:
        text, of = args
        return int(found_within(watch, pattern(text), of))

    def key_of(*args: Any) -> Any:
        if watch.left() < 0:
            raise apsw.InterruptError("before a key was made")
        return watched_key(decode(args[0]), Ticks(watch))

    connection.create_scalar_function(KEY_FUNCTION, key_of, 1, deterministic=True)
    connection.create_scalar_function(MATCHES_FUNCTION, matches, 2, deterministic=True)
    prepare_scores(connection, watch.left)
