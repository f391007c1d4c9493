"""Buckets and objects of all projects. Implements contracts.storage.Storage; its docstrings describe the methods."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.object_changes import ObjectChanges
from bunbase.contracts.object_extras import Checksum
from bunbase.contracts.storage import (
    ALWAYS,
    PLAIN_COPY,
    Bucket,
    BucketChanges,
    Buckets,
    Conditions,
    CopyExtras,
    Copying,
    DeletedObject,
    Listing,
    NewBucket,
    NewLink,
    NewObject,
    ObjectPage,
    Opened,
    Piece,
    Place,
    Reading,
    SignedLink,
    StorageUsage,
    WrittenObject,
)
from bunbase.storage.acts.buckets import BucketActs
from bunbase.storage.acts.changes import ChangeActs
from bunbase.storage.acts.completing import Completing
from bunbase.storage.acts.copying import CopyActs
from bunbase.storage.acts.downloads import Downloads
from bunbase.storage.acts.linking import LinkActs
from bunbase.storage.acts.listing import ListActs
from bunbase.storage.acts.multipart import MultipartActs
from bunbase.storage.acts.multipart_calls import MultipartCalls
from bunbase.storage.acts.parts import Parts
from bunbase.storage.acts.properties import PropertyActs
from bunbase.storage.acts.removing import Removing
from bunbase.storage.acts.resumable_calls import ResumableCalls
from bunbase.storage.acts.resumables import Resumables
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.acts.uploads import Uploads
from bunbase.storage.holdings import Holdings
from bunbase.storage.store.blobs import Totals, totals


class StorageService(MultipartCalls, ResumableCalls):
    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings
        self.bucket_acts = BucketActs(holdings)
        self.uploads = Uploads(holdings)
        self.sweeping = Sweeping(holdings, self.uploads)
        self.downloads = Downloads(holdings)
        self.removing = Removing(holdings, self.sweeping)
        self.copying = CopyActs(holdings, self.downloads, self.sweeping)
        self.listing = ListActs(holdings)
        self.linking = LinkActs(holdings)
        self.part_acts = Parts(holdings, self.uploads, self.sweeping)
        self.multipart_acts = MultipartActs(holdings, self.downloads, self.sweeping)
        self.property_acts = PropertyActs(holdings)
        completing = Completing(holdings, self.downloads)
        self.resumables = Resumables(holdings, self.uploads, completing, self.sweeping)
        self.change_acts = ChangeActs(holdings)

    async def buckets(self, caller: Caller) -> Buckets:
        return await self.bucket_acts.buckets(caller)

    async def bucket(self, caller: Caller, name: str) -> Bucket:
        return await self.bucket_acts.bucket(caller, name)

    async def create_bucket(self, caller: Caller, new: NewBucket) -> Bucket:
        return await self.bucket_acts.create(caller, new)

    async def update_bucket(self, caller: Caller, name: str, changes: BucketChanges) -> Bucket:
        return await self.bucket_acts.update(caller, name, changes)

    async def delete_bucket(self, caller: Caller, name: str) -> None:
        await self.bucket_acts.delete(caller, name)

    async def begin_upload(self, caller: Caller, place: Place, new: NewObject) -> str:
        return await self.uploads.begin(caller, place, new)

    async def feed_upload(self, caller: Caller, upload: str, data: bytes) -> None:
        await self.uploads.feed(caller, upload, data)

    async def finish_upload(self, caller: Caller, upload: str, checksum: Checksum | None = None) -> WrittenObject:
        written = await self.uploads.finish(caller, upload, checksum)
        if not written.created:
            self.sweeping.note(caller.project)
        return written

    async def abort_upload(self, caller: Caller, upload: str) -> None:
        await self.uploads.abort(caller, upload)

    def read(self, caller: Caller, reading: Reading) -> AsyncIterator[Opened | Piece]:
        return self.downloads.read(caller, reading)

    async def delete_object(self, caller: Caller, place: Place, conditions: Conditions = ALWAYS) -> None:
        await self.removing.delete(caller, place, conditions)

    async def delete_objects(self, caller: Caller, bucket: str, keys: tuple[str, ...]) -> tuple[DeletedObject, ...]:
        return await self.removing.delete_many(caller, bucket, keys)

    async def copy_object(
        self, caller: Caller, copying: Copying, moves: bool, extras: CopyExtras = PLAIN_COPY
    ) -> WrittenObject:
        return await self.copying.copy(caller, copying, moves, extras)

    async def objects(self, caller: Caller, bucket: str, listing: Listing) -> ObjectPage:
        return await self.listing.objects(caller, bucket, listing)

    async def sign(self, caller: Caller, link: NewLink) -> SignedLink:
        return await self.linking.sign(caller, link)

    async def changes(self, caller: Caller, since: int, limit: int, wait_seconds: float) -> ObjectChanges:
        return await self.change_acts.changes(caller, since, limit, wait_seconds)

    async def stored(self, caller: Caller) -> StorageUsage:
        caller.check(Act.BUCKET_READ)
        async with self.holdings.files.using(caller.project, create=False) as file:
            held = Totals(0, 0, 0) if file is None else await file.read(totals)
        limits = self.holdings.quota
        return StorageUsage(held.objects, held.bytes, held.waiting_bytes, limits.objects, limits.bytes)

    async def drop_project(self, project: str) -> None:
        self.uploads.end_project(project)
        await self.holdings.files.drop(project)  # first, because it holds the keys: without it the blobs are unreadable
        await self.holdings.blobs.delete_project(project)
        self.sweeping.noted.discard(project)
        self.change_acts.forget(project)

    async def close(self) -> None:
        await self.uploads.close()
        await self.holdings.files.close()
