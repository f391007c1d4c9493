"""The rows of buckets. Each function runs in a transaction of its connection."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from bunbase.contracts.storage import MAX_BUCKETS, BucketExists, BucketNotEmpty, BucketNotFound, TooManyBuckets
from bunbase.storage.store.multipart import end_multiparts_of

COLUMNS: Final = "id, name, spec, created"


class BucketRow(msgspec.Struct, frozen=True):
    """`spec`: JSON, of contracts.storage.BucketSpec. `created`: milliseconds since 1970."""

    id: int
    name: str
    spec: str
    created: int


def all_buckets(connection: apsw.Connection) -> list[BucketRow]:
    return [BucketRow(*row) for row in connection.execute(f"SELECT {COLUMNS} FROM buckets ORDER BY name")]


def bucket_named(connection: apsw.Connection, name: str) -> BucketRow:
    """Raises: BucketNotFound."""
    row = connection.execute(f"SELECT {COLUMNS} FROM buckets WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise no_bucket(name)
    return BucketRow(*row)


def no_bucket(name: str) -> BucketNotFound:
    return BucketNotFound(f"Create the bucket {name[:100]!r} first, or check its name.")


def create_bucket(connection: apsw.Connection, name: str, spec: str, now: int) -> None:
    """Raises: BucketExists, TooManyBuckets."""
    if connection.execute("SELECT 1 FROM buckets WHERE name = ?", (name,)).fetchone():
        raise BucketExists("Choose another name, or change this bucket with PATCH.")
    if connection.execute("SELECT count(*) FROM buckets").get >= MAX_BUCKETS:
        raise TooManyBuckets(f"A project has at most {MAX_BUCKETS} buckets.", limit=MAX_BUCKETS)
    connection.execute("INSERT INTO buckets (name, spec, created) VALUES (?, ?, ?)", (name, spec, now))


def update_bucket(connection: apsw.Connection, id: int, spec: str) -> None:
    connection.execute("UPDATE buckets SET spec = ? WHERE id = ?", (spec, id))


def delete_bucket(connection: apsw.Connection, name: str, now: int) -> None:
    """Delete an empty bucket, and the uploads to it that were not completed. Raises: BucketNotFound, BucketNotEmpty."""
    bucket = bucket_named(connection, name)
    if connection.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (bucket.id,)).fetchone():
        raise BucketNotEmpty("Delete its objects first.")
    end_multiparts_of(connection, bucket.id, now)
    connection.execute("DELETE FROM buckets WHERE id = ?", (bucket.id,))
