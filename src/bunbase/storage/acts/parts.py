"""Parts of uploads: each is stored as a blob, and then a row in one transaction, like an object."""

from __future__ import annotations

import apsw
import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.multipart import MAX_PARTS, BegunPart, NewMultipart, NewPart, WrittenPart
from bunbase.contracts.storage import MAX_UPLOAD_BYTES, NewObject, Place
from bunbase.pkg import metrics
from bunbase.pkg.errors import InvalidInput
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.acts.upload import Upload, check_root
from bunbase.storage.acts.uploads import Uploads
from bunbase.storage.holdings import Holdings, checked_key
from bunbase.storage.rules import time_of
from bunbase.storage.store.blobs import Totals, totals
from bunbase.storage.store.multipart import PartRow, UploadRow, multipart, put_part


class Parts:
    def __init__(self, holdings: Holdings, uploads: Uploads, sweeping: Sweeping) -> None:
        self.holdings = holdings
        self.uploads = uploads
        self.sweeping = sweeping

    async def begin(self, caller: Caller, new: NewPart) -> BegunPart:
        caller.check(Act.OBJECT_WRITE)
        place = new.place
        if not 1 <= place.number <= MAX_PARTS:
            raise InvalidInput.at("number", f"A part has a number from 1 to {MAX_PARTS}.")
        key = checked_key(place.key)
        of_part = NewObject("", new.length, md5=new.md5, wait_seconds=new.wait_seconds)
        one = Upload(caller, Place(place.bucket, place.key), key, of_part, False)

        async def prepare(one: Upload) -> None:
            async with self.holdings.bucket_of(caller.project, place.bucket) as (file, bucket):

                def look(connection: apsw.Connection) -> tuple[UploadRow, Totals]:
                    return multipart(connection, place.upload, bucket.id, key), totals(connection)

                row, held = await file.read(look)
                one.bucket, one.part = bucket.id, (row, place.number)
                one.limit = min(bucket.spec.max_bytes, MAX_UPLOAD_BYTES)
                self.uploads.seal_for(one, file)
            await self.uploads.open_blob(one, held, 0)

        id = await self.uploads.begun(one, prepare)
        assert one.part is not None
        return BegunPart(id, msgspec.json.decode(one.part[0].properties, type=NewMultipart).algorithm)

    async def finish(self, caller: Caller, upload: str, checksum: str) -> WrittenPart:
        async def store(one: Upload) -> WrittenPart:
            return await self._stored(one, checksum)

        written = await self.uploads.finished(caller, upload, True, store)
        metrics.storage_writes.labels("part").inc()
        self.sweeping.note(caller.project)
        return written

    async def _stored(self, one: Upload, checksum: str) -> WrittenPart:
        """Raises: UploadNotFound if the upload was completed or aborted meanwhile, StorageQuotaExceeded."""
        assert one.part is not None
        (row, number), now = one.part, self.holdings.now_ms()
        part = PartRow(number, one.blob, one.size, one.md5.hexdigest(), checksum, now)
        async with self.holdings.bucket_of(one.caller.project, one.place.bucket) as (file, _):
            check_root(one, file.roots)
            await file.write(lambda connection: put_part(connection, row, part, self.holdings.quota))
        return described_part(part)


def described_part(part: PartRow) -> WrittenPart:
    return WrittenPart(part.number, part.size, part.etag, part.checksum, time_of(part.created))
