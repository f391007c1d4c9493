"""The tags and the parts of one object."""

from __future__ import annotations

from functools import partial

import apsw
import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.multipart import ObjectPart, ObjectParts
from bunbase.contracts.object_extras import ObjectExtras
from bunbase.contracts.storage import ObjectConflict
from bunbase.storage.acts.access import no_object
from bunbase.storage.acts.upload import check_extras, encoded_extras
from bunbase.storage.holdings import ATTEMPTS, Holdings, checked_key
from bunbase.storage.store.blobs import BlobPart, Moved, parts_of
from bunbase.storage.store.objects import find, set_extras


class PropertyActs:
    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings

    async def set_tags(self, caller: Caller, bucket_name: str, key: str, tags: dict[str, str]) -> None:
        caller.check(Act.OBJECT_WRITE)
        check_extras(ObjectExtras(tags=tags))
        sent = checked_key(key)
        for number in range(ATTEMPTS):
            of_bucket = self.holdings.bucket_of(caller.project, bucket_name)
            async with of_bucket as (file, bucket), file.attempt(number):
                row = await file.read(partial(find, bucket=bucket.id, key=sent))
                if row is None:
                    raise no_object(key)
                extras = msgspec.json.decode(row.extras, type=ObjectExtras)
                changed = encoded_extras(msgspec.structs.replace(extras, tags=tags))
                try:
                    await file.write(partial(set_extras, row=row, extras=changed))
                except Moved:
                    continue
                return
        raise ObjectConflict("Other writes changed the object again and again; try again.")

    async def parts(self, caller: Caller, bucket_name: str, key: str) -> ObjectParts:
        caller.check(Act.OBJECT_READ)
        sent = checked_key(key)
        async with self.holdings.bucket_of(caller.project, bucket_name) as (file, bucket):

            def look(connection: apsw.Connection) -> list[BlobPart] | None:
                row = find(connection, bucket.id, sent)
                return None if row is None else parts_of(connection, row.id)

            found = await file.read(look)
        if found is None:
            raise no_object(key)
        items = [ObjectPart(part.number, part.size, part.checksum) for part in found if part.number]
        return ObjectParts(tuple(items))
