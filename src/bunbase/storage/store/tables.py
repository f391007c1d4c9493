"""The tables of a project's file.

An object is an ordered list of blobs. Several objects may refer to one blob: a copy is a row. `blobs.refs` counts these
objects. When it reaches 0, the blob moves to `pending_deletes`, in the same transaction.

`uploads` and `upload_parts` are uploads in several parts, each of which is a blob. Completing an upload makes its parts
the blobs of the object. `changes` is the change log (change_log.py). `variants` are
other sizes and formats of images (variants.py).

A new file gets `TABLES`. A file of an older format is changed when it is opened, in one transaction (UPGRADES).
"""

from __future__ import annotations

import os
from typing import Final

import apsw

from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.storage.store import change_log, variants

FORMAT: Final = 6
ROOT_BYTES: Final = 32

UPLOADS: Final = """
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    bucket INTEGER NOT NULL REFERENCES buckets (id),
    key BLOB NOT NULL,
    properties TEXT NOT NULL,              -- JSON: contracts.multipart.NewMultipart
    owner TEXT,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_of_bucket ON uploads (bucket, key, id);
CREATE INDEX uploads_created ON uploads (created);
CREATE TABLE upload_parts (
    upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    blob TEXT NOT NULL REFERENCES blobs (id),
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    checksum TEXT NOT NULL,                -- in base64, or empty
    created INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
"""

FINISHED: Final = """
CREATE TABLE finished_uploads (            -- uploads in parts that have become objects, for a day
    id TEXT PRIMARY KEY,
    properties TEXT NOT NULL,
    object TEXT NOT NULL,                  -- JSON: StoredObject, or FinishedMultipart (multipart.py)
    size INTEGER NOT NULL,
    finished INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX finished_uploads_finished ON finished_uploads (finished);
"""

TABLES: Final = f"""
CREATE TABLE roots (                       -- the keys that seal the keys of blobs; the newest one seals
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL
) STRICT;
CREATE TABLE totals (                      -- one row
    objects INTEGER NOT NULL,
    bytes INTEGER NOT NULL,                -- of all objects, and each copy counts
    waiting_bytes INTEGER NOT NULL,        -- of the blobs in pending_deletes
    upload_bytes INTEGER NOT NULL DEFAULT 0, -- of the parts in upload_parts
    variant_bytes INTEGER NOT NULL DEFAULT 0, -- of the variants of images, which have their own limit
    upload_parts INTEGER NOT NULL DEFAULT 0  -- the number of these parts
) STRICT;
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    spec TEXT NOT NULL,                    -- JSON: contracts.storage.BucketSpec
    created INTEGER NOT NULL               -- all times are milliseconds since 1970
) STRICT;
CREATE TABLE blobs (
    id TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    refs INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE objects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket INTEGER NOT NULL REFERENCES buckets (id),
    key BLOB NOT NULL,                     -- UTF-8; compared byte for byte
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    content_type TEXT NOT NULL,
    cache_control TEXT NOT NULL,
    metadata TEXT NOT NULL,                -- JSON: an object of strings
    owner TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    change INTEGER NOT NULL,               -- a new number with each write of the key
    extras TEXT NOT NULL DEFAULT '{{}}',     -- JSON: contracts.storage.ObjectExtras
    UNIQUE (bucket, key)
) STRICT;
CREATE TABLE object_blobs (
    object INTEGER NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,             -- the place of the blob's first byte in the object
    blob TEXT NOT NULL REFERENCES blobs (id),
    number INTEGER NOT NULL DEFAULT 0,     -- the number of the part; 0 for an object that was not uploaded in parts
    checksum TEXT NOT NULL DEFAULT '',     -- of the part, in base64
    PRIMARY KEY (object, position)
) STRICT, WITHOUT ROWID;
{UPLOADS}
{FINISHED}
CREATE TABLE pending_deletes (
    blob TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_deletes_since ON pending_deletes (since);
{change_log.TABLES}{variants.TABLES}"""

# format → the statements that lead to the next format
UPGRADES: Final = {
    1: f"""
ALTER TABLE totals ADD COLUMN upload_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE objects ADD COLUMN extras TEXT NOT NULL DEFAULT '{{}}';
ALTER TABLE object_blobs ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE object_blobs ADD COLUMN checksum TEXT NOT NULL DEFAULT '';
DROP TABLE upload_parts;  -- format 1 had these two tables, but never a row in them
DROP TABLE uploads;
{UPLOADS}
""",
    2: FINISHED,
    3: change_log.TABLES,
    4: f"ALTER TABLE totals ADD COLUMN variant_bytes INTEGER NOT NULL DEFAULT 0;{variants.TABLES}",
    5: """
ALTER TABLE totals ADD COLUMN upload_parts INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET upload_parts = (SELECT count(*) FROM upload_parts);
""",
}


def create_tables(connection: apsw.Connection) -> None:
    """Create the tables of a new file, and its first root key."""
    with connection:
        connection.execute(TABLES)
        connection.execute("INSERT INTO totals (objects, bytes, waiting_bytes) VALUES (0, 0, 0)")
        connection.execute("INSERT INTO roots (id, key) VALUES (1, ?)", (os.urandom(ROOT_BYTES),))
        connection.pragma("user_version", FORMAT)


def upgrade_tables(connection: apsw.Connection) -> None:
    """Bring a file of an older format to the present one, in one transaction. Idempotent.

    Raises: FileUnreadable for a format that this version does not know.
    """
    with connection:
        found: int = connection.pragma("user_version")
        while found in UPGRADES:
            connection.execute(UPGRADES[found])
            found += 1
            connection.pragma("user_version", found)
        if found != FORMAT:
            raise FileUnreadable(f"The file has the format {found}; this version of BunBase knows {FORMAT}.")
