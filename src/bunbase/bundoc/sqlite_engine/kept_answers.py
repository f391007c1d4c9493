"""Store the answers of writes that have an idempotency key, in the transaction of the write (docs/decisions/0068).

The life of a key: `replay` looks for the key before the write. If the key is new, the steps of the write run, and
`keep` stores their result in the same savepoint. If the steps fail, the rollback of the savepoint also removes the row.
`fold` deletes rows at the end of the batch, and `prune` deletes rows in projects without such writes.

Hard place: a row must stay for 24 hours, but a client may send any number of keys. So a project keeps the newest
MOST_ROWS rows with at most MOST_BYTES of answers. The column `upto` is the sum of the bytes of a row and of all rows
before this row. So the oldest and the newest row together show the size of the whole table, without counting.

The rows contain hashes and documents. The file is encrypted, like the documents themselves.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.writes import Committed
from bunbase.contracts.idempotency import IdempotencyTooLarge, another_request
from bunbase.pkg.clock import rfc3339
from bunbase.pkg.idempotency import KEPT_FOR, Attempt

MOST_ROWS: Final = 200_000
MOST_BYTES: Final = 64 << 20
MOST_BODY: Final = 64 << 10  # Larger documents are not stored here. The answer then comes from the document itself.
ROW_BYTES: Final = 100  # A row without its answer takes this much memory.
# At most this many rows are deleted at once, which takes milliseconds. The limit is twice the number of added rows if
# this number is higher.
FOLDED_AT_ONCE: Final = 1000

CREATE_KEPT_ANSWERS: Final = """
CREATE TABLE kept_answers (
    n INTEGER PRIMARY KEY,
    act BLOB NOT NULL UNIQUE,
    request BLOB NOT NULL,
    at TEXT NOT NULL,
    upto INTEGER NOT NULL,
    answer BLOB NOT NULL
);"""

FIND: Final = "SELECT request, answer, at FROM kept_answers WHERE act = ?"
NEWEST: Final = "SELECT n, upto FROM kept_answers ORDER BY n DESC LIMIT 1"
OLDEST: Final = "SELECT n, upto, at FROM kept_answers ORDER BY n LIMIT 1"
KEEP: Final = "INSERT OR REPLACE INTO kept_answers (n, act, request, at, upto, answer) VALUES (?, ?, ?, ?, ?, ?)"
FOLD: Final = """
DELETE FROM kept_answers WHERE n IN (SELECT n FROM kept_answers ORDER BY n LIMIT ?)
AND (at < ? OR n <= ? OR upto <= ?)"""
FORGET: Final = "DELETE FROM kept_answers"


class KeptDocument(msgspec.Struct, frozen=True, array_like=True):
    """A document in a stored answer.

    `body`: None if the document is too large, or if the answer does not need the body.
    """

    id: str
    rev: int
    created: str
    updated: str
    body: bytes | None


class KeptAnswer(msgspec.Struct, frozen=True, array_like=True):
    """A stored answer. `seq`: the newest change after the write.

    A later restore may have given the history a new epoch.
    """

    seq: int
    results: tuple[KeptDocument | None, ...]
    created: tuple[bool, ...]


write: Final = msgspec.msgpack.Encoder().encode
read: Final = msgspec.msgpack.Decoder(KeptAnswer).decode


def find(connection: apsw.Connection, attempt: Attempt, now: str) -> KeptAnswer | None:
    """Return the answer of an earlier attempt, None if there was none. Raises: IdempotencyMismatch."""
    row = connection.execute(FIND, (attempt.act,)).get
    if row is None or row[2] < kept_since(now):
        return None
    if row[0] != attempt.request:
        raise another_request()
    return read(row[1])


def keep(connection: apsw.Connection, attempt: Attempt, done: Committed, now: str, with_bodies: bool) -> None:
    """Store the answer of an attempt. `with_bodies`: true if the answer shows the documents, and not only their
    revisions.
    """
    results = tuple([_kept(stored, with_bodies) for stored in done.results])
    answer = write(KeptAnswer(done.seq, results, done.created))
    n, upto = connection.execute(NEWEST).get or (0, 0)
    row = (n + 1, attempt.act, attempt.request, now, upto + ROW_BYTES + len(answer), answer)
    connection.execute(KEEP, row)


def restored(kept: KeptDocument | None, stored: StoredDocument | None) -> StoredDocument | None:
    """Return a document for an answer that BunBase sends again. `stored`: the document with its id that is stored now.

    Raises: IdempotencyTooLarge if the document was too large to keep and has changed since then.
    """
    if kept is None:
        return None
    if kept.body is not None:
        return StoredDocument(kept.id, kept.rev, kept.created, kept.updated, kept.body)
    if stored is not None and stored.rev == kept.rev:
        return stored
    raise IdempotencyTooLarge(
        f"The write was done and stored revision {kept.rev}. The document has changed since then: read it to see its "
        "present state.",
        rev=kept.rev,
    )


def bare(kept: KeptDocument | None) -> StoredDocument | None:
    """Return a document without its body. A repeated answer that shows only revisions uses it."""
    return StoredDocument(kept.id, kept.rev, kept.created, kept.updated, b"{}") if kept else None


def fold(connection: apsw.Connection, now: str, added: int = 0) -> int:
    """Delete a batch of rows that are too old or too many. Return the number of deleted rows.

    `added`: the number of rows that the present transaction has added.
    """
    oldest, since = connection.execute(OLDEST).get, kept_since(now)
    if oldest is None:
        return 0
    first, least, at = oldest
    last, most = connection.execute(NEWEST).get
    if at >= since and last - first < MOST_ROWS and most - least <= MOST_BYTES:
        return 0
    before = connection.total_changes()
    limit = max(FOLDED_AT_ONCE, 2 * added)
    connection.execute(FOLD, (limit, since, last - MOST_ROWS, most - MOST_BYTES))
    return connection.total_changes() - before


def is_due(connection: apsw.Connection, now: str) -> bool:
    """True if there are rows that are too old."""
    oldest: Any = connection.execute(OLDEST).get
    return oldest is not None and oldest[2] < kept_since(now)


def kept_since(now: str) -> str:
    return rfc3339(datetime.fromisoformat(now) - KEPT_FOR)


def _kept(stored: StoredDocument | None, with_bodies: bool) -> KeptDocument | None:
    if stored is None:
        return None
    body = stored.body if with_bodies and len(stored.body) <= MOST_BODY else None
    return KeptDocument(stored.id, stored.rev, stored.created, stored.updated, body)
