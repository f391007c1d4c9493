"""Run `bunbase dev`, watch its event loop (`bench/hostile/server.py`), and fill the bucket MILLION with rows.

A million uploads would take longer than all other measurements. So the bucket gets a million rows when it is created,
through the store of Storage, in the server. Its objects can be listed, but have no bytes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import apsw

from bench.hostile.server import run
from bench.storage.work import GROUPS, IN_GROUP, MILLION
from bunbase.contracts.caller import Caller
from bunbase.contracts.storage import Bucket, NewBucket
from bunbase.storage.service import StorageService
from bunbase.storage.store.buckets import bucket_named

AT_ONCE: Final = 20  # groups in one transaction, which may take 10 s
ROWS: Final = """
WITH RECURSIVE
    wide (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM wide WHERE n + 1 < ?2),
    deep (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM deep WHERE n + 1 < ?3)
INSERT INTO objects (bucket, key, size, etag, content_type, cache_control, metadata, owner, created, updated, change)
SELECT ?4, CAST(printf('group%04d/key%04d', wide.n, deep.n) AS BLOB), 4096, 'd41d8cd98f00b204e9800998ecf8427e',
       'application/octet-stream', '', '{}', NULL, 1764547200000, 1764547200000, 0
FROM wide, deep"""


async def filled(service: StorageService, project: str) -> None:
    async with service.holdings.files.using(project) as file:
        assert file is not None
        for first in range(0, GROUPS, AT_ONCE):

            def fill(connection: apsw.Connection, first: int = first) -> None:
                bucket = bucket_named(connection, MILLION).id
                connection.execute(ROWS, (first, min(first + AT_ONCE, GROUPS), IN_GROUP, bucket))

            await file.write(fill)


def fill_when_created() -> None:
    create = StorageService.create_bucket

    async def create_bucket(self: StorageService, caller: Caller, new: NewBucket) -> Bucket:
        made = await create(self, caller, new)
        if new.name == MILLION:
            await filled(self, caller.project)
        return made

    changed: Any = StorageService
    changed.create_bucket = create_bucket


if __name__ == "__main__":
    fill_when_created()
    run(Path(os.environ["BENCH_BEATS"]))
