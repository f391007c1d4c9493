"""The methods of the contract for uploads in parts, and for the properties that only the S3 port sets."""

from __future__ import annotations

from bunbase.contracts.caller import Caller
from bunbase.contracts.multipart import (
    BegunPart,
    CompletedUpload,
    Completing,
    MultipartListing,
    MultipartPage,
    NewMultipart,
    NewPart,
    ObjectParts,
    PartPage,
    PartPlace,
    WrittenPart,
)
from bunbase.storage.acts.multipart import MultipartActs
from bunbase.storage.acts.parts import Parts
from bunbase.storage.acts.properties import PropertyActs


class MultipartCalls:
    """Every method calls the part that does the work."""

    multipart_acts: MultipartActs
    part_acts: Parts
    property_acts: PropertyActs

    async def begin_multipart(self, caller: Caller, bucket: str, key: str, new: NewMultipart) -> str:
        return await self.multipart_acts.begin(caller, bucket, key, new)

    async def begin_part(self, caller: Caller, new: NewPart) -> BegunPart:
        return await self.part_acts.begin(caller, new)

    async def finish_part(self, caller: Caller, upload: str, checksum: str) -> WrittenPart:
        return await self.part_acts.finish(caller, upload, checksum)

    async def parts(self, caller: Caller, place: PartPlace, limit: int) -> PartPage:
        return await self.multipart_acts.parts(caller, place, limit)

    async def complete_multipart(self, caller: Caller, completing: Completing) -> CompletedUpload:
        return await self.multipart_acts.complete(caller, completing)

    async def abort_multipart(self, caller: Caller, place: PartPlace) -> None:
        await self.multipart_acts.abort(caller, place)

    async def multiparts(self, caller: Caller, bucket: str, listing: MultipartListing) -> MultipartPage:
        return await self.multipart_acts.uploads(caller, bucket, listing)

    async def object_parts(self, caller: Caller, bucket: str, key: str) -> ObjectParts:
        return await self.property_acts.parts(caller, bucket, key)

    async def set_tags(self, caller: Caller, bucket: str, key: str, tags: dict[str, str]) -> None:
        await self.property_acts.set_tags(caller, bucket, key, tags)
