"""Delete one or many objects. Their blobs are deleted later (`sweeping.py`)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import apsw

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.storage import (
    MAX_KEYS,
    Conditions,
    DeletedObject,
    ObjectConflict,
    ObjectNotFound,
    Place,
    StorageBusy,
)
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.storage.acts.access import Access, no_object
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.holdings import ATTEMPTS, Holdings, checked_key
from bunbase.storage.rules import OpenBucket, time_of
from bunbase.storage.serving.conditions import check_write
from bunbase.storage.store.blobs import Moved
from bunbase.storage.store.objects import ObjectRow, find, remove

DECIDE_SECONDS: Final = 10.0  # for the rules of all objects of one request


class Removing:
    def __init__(self, holdings: Holdings, sweeping: Sweeping) -> None:
        self.holdings = holdings
        self.access = Access(holdings)
        self.sweeping = sweeping

    async def delete(self, caller: Caller, place: Place, conditions: Conditions) -> None:
        key = checked_key(place.key)
        ruled = self.access.is_ruled(caller, Act.OBJECT_WRITE)
        for number in range(ATTEMPTS):
            of_bucket = self.holdings.bucket_of(caller.project, place.bucket)
            async with of_bucket as (file, bucket), file.attempt(number):
                row = await file.read(partial(find, bucket=bucket.id, key=key))
                await self._need(caller, ruled, bucket, row, place.key)
                if row is None:
                    raise no_object(place.key)
                check_write(conditions, row.etag, time_of(row.updated))
                try:
                    await file.write(partial(_removed, row, self.holdings.now_ms()))
                except Moved:
                    continue
                self.sweeping.note(caller.project)
                return
        raise ObjectConflict("Other writes changed the object again and again; try again.")

    async def delete_many(self, caller: Caller, bucket_name: str, keys: tuple[str, ...]) -> tuple[DeletedObject, ...]:
        if not 1 <= len(keys) <= MAX_KEYS:
            raise InvalidInput.at("/keys", f"Send 1 to {MAX_KEYS} keys.")
        ruled = self.access.is_ruled(caller, Act.OBJECT_WRITE)
        wanted = {key: checked_key(key) for key in keys}
        results: dict[str, DeletedObject] = {}
        async with self.holdings.bucket_of(caller.project, bucket_name) as (file, bucket):
            rows = await file.read(
                lambda connection: {key: find(connection, bucket.id, sent) for key, sent in wanted.items()}
            )
            try:
                async with asyncio.timeout(DECIDE_SECONDS):
                    going = await self._decided(caller, ruled, bucket, rows, results)
            except TimeoutError:
                raise StorageBusy("The rules of these objects take too long: send fewer keys.") from None
            now = self.holdings.now_ms()
            moved = await file.write(lambda connection: _remove_all(connection, going, now)) if going else set()
        for key in going:
            gone = key not in moved
            results[key] = DeletedObject(key, gone, None if gone else ObjectConflict.code)
        self.sweeping.note(caller.project)
        return tuple([results[key] for key in wanted])

    async def _decided(
        self,
        caller: Caller,
        ruled: bool,
        bucket: OpenBucket,
        rows: dict[str, ObjectRow | None],
        results: dict[str, DeletedObject],
    ) -> dict[str, ObjectRow]:
        """Return the objects that the caller may delete, and add the other keys to `results`."""
        going: dict[str, ObjectRow] = {}
        for key, row in rows.items():
            try:
                await self._need(caller, ruled, bucket, row, key)
            except ObjectNotFound:
                results[key] = DeletedObject(key, True)
            except Problem as problem:
                results[key] = DeletedObject(key, False, problem.code)
            else:
                if row is None:
                    results[key] = DeletedObject(key, True)
                else:
                    going[key] = row
            if ruled:
                await asyncio.sleep(0)  # a rule may take 2 ms of the event loop, and other requests must run in between
        return going

    async def _need(self, caller: Caller, ruled: bool, bucket: OpenBucket, row: ObjectRow | None, key: str) -> None:
        if ruled:
            await self.access.need_delete(caller, bucket, row, key)


def _removed(row: ObjectRow, now: int, connection: apsw.Connection) -> None:
    remove(connection, row, row.state, now)


def _remove_all(connection: apsw.Connection, rows: dict[str, ObjectRow], now: int) -> set[str]:
    """Remove the objects, and return the keys of those that were changed meanwhile."""
    moved = set()
    for key, row in rows.items():
        try:
            remove(connection, row, row.state, now)
        except Moved:
            moved.add(key)
    return moved
