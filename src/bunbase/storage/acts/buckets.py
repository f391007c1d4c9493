"""Create, read, change and delete buckets: for servers and members of the project."""

from __future__ import annotations

import asyncio

import apsw
import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.storage import Bucket, BucketChanges, Buckets, BucketSpec, NewBucket
from bunbase.storage.holdings import Holdings
from bunbase.storage.rules import checked_spec, time_of
from bunbase.storage.store.buckets import (
    BucketRow,
    all_buckets,
    bucket_named,
    create_bucket,
    delete_bucket,
    no_bucket,
    update_bucket,
)


class BucketActs:
    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings

    async def buckets(self, caller: Caller) -> Buckets:
        caller.check(Act.BUCKET_READ)
        async with self.holdings.files.using(caller.project, create=False) as file:
            rows = [] if file is None else await file.read(all_buckets)
        return Buckets(tuple([_described(row) for row in rows]))

    async def bucket(self, caller: Caller, name: str) -> Bucket:
        caller.check(Act.BUCKET_READ)
        async with self.holdings.files.using(caller.project, create=False) as file:
            if file is None:
                raise no_bucket(name)
            return _described(await file.bucket(name))

    async def create(self, caller: Caller, new: NewBucket) -> Bucket:
        caller.check(Act.BUCKET_CREATE)
        fields = {name: getattr(new, name) for name in BucketSpec.__struct_fields__}
        spec = await asyncio.to_thread(checked_spec, BucketSpec(**fields))
        async with self.holdings.files.using(caller.project) as file:
            assert file is not None
            await file.write(lambda connection: create_bucket(connection, new.name, spec, self.holdings.now_ms()))
            file.forget_buckets()
            return _described(await file.bucket(new.name))

    async def update(self, caller: Caller, name: str, changes: BucketChanges) -> Bucket:
        caller.check(Act.BUCKET_UPDATE)
        set_now = {
            field: value
            for field in changes.__struct_fields__
            if (value := getattr(changes, field)) is not msgspec.UNSET
        }
        async with self.holdings.files.using(caller.project, create=False) as file:
            if file is None:
                raise no_bucket(name)
            before = msgspec.json.decode((await file.bucket(name)).spec, type=BucketSpec)
            await asyncio.to_thread(checked_spec, msgspec.structs.replace(before, **set_now))

            def change(connection: apsw.Connection) -> None:
                row = bucket_named(connection, name)
                spec = msgspec.json.decode(row.spec, type=BucketSpec)
                update_bucket(connection, row.id, checked_spec(msgspec.structs.replace(spec, **set_now)))

            await file.write(change)
            file.forget_buckets()
            return _described(await file.bucket(name))

    async def delete(self, caller: Caller, name: str) -> None:
        caller.check(Act.BUCKET_DELETE)
        async with self.holdings.files.using(caller.project, create=False) as file:
            if file is None:
                raise no_bucket(name)
            await file.write(lambda connection: delete_bucket(connection, name, self.holdings.now_ms()))
            file.forget_buckets()


def _described(row: BucketRow) -> Bucket:
    spec = msgspec.json.decode(row.spec, type=BucketSpec)
    fields = {name: getattr(spec, name) for name in spec.__struct_fields__}
    return Bucket(name=row.name, created_at=time_of(row.created), **fields)
