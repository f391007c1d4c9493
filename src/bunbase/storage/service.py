"""Buckets and objects of all projects. Implements contracts.storage.Storage; its docstrings describe the methods."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.functions.service import Functions
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
from bunbase.contracts.storage_copies import (
    CopiedBytes,
    CopiedList,
    FilesKey,
    FilesState,
    NamedBlobs,
    NewRestore,
    PreparedRestore,
)
from bunbase.storage.acts.buckets import BucketActs
from bunbase.storage.acts.changes import ChangeActs
from bunbase.storage.acts.completing import Completing
from bunbase.storage.acts.copying import CopyActs
from bunbase.storage.acts.downloads import Downloads
from bunbase.storage.acts.file_copies import FileCopying
from bunbase.storage.acts.linking import LinkActs
from bunbase.storage.acts.listing import ListActs
from bunbase.storage.acts.multipart import MultipartActs
from bunbase.storage.acts.multipart_calls import MultipartCalls
from bunbase.storage.acts.parts import Parts
from bunbase.storage.acts.properties import PropertyActs
from bunbase.storage.acts.removing import Removing
from bunbase.storage.acts.restoring import Restoring
from bunbase.storage.acts.resumable_calls import ResumableCalls
from bunbase.storage.acts.resumables import Resumables
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.acts.uploads import Uploads
from bunbase.storage.acts.variants import VariantActs
from bunbase.storage.holdings import Holdings
from bunbase.storage.images.forks import Forks
from bunbase.storage.images.makers import Makers
from bunbase.storage.store.blobs import Totals, totals
from bunbase.storage.store.rotation import Rotations
from bunbase.storage.usage import FileMeter


class StorageService(MultipartCalls, ResumableCalls):
    def __init__(self, holdings: Holdings, functions: Functions) -> None:
        self.holdings = holdings
        self.meter = FileMeter(holdings, functions)
        self.bucket_acts = BucketActs(holdings)
        self.uploads = Uploads(holdings)
        self.sweeping = Sweeping(holdings, self.uploads)
        self.downloads = Downloads(holdings, self.meter)
        self.removing = Removing(holdings, self.sweeping)
        self.copying = CopyActs(holdings, self.downloads, self.sweeping)
        self.listing = ListActs(holdings)
        self.linking = LinkActs(holdings)
        self.file_copying = FileCopying(holdings, self.sweeping)
        self.restoring = Restoring(holdings, self.sweeping, self.uploads)
        self.rotations = Rotations(holdings.files, holdings.clock)
        self.part_acts = Parts(holdings, self.uploads, self.sweeping)
        self.multipart_acts = MultipartActs(holdings, self.downloads, self.sweeping)
        self.property_acts = PropertyActs(holdings)
        completing = Completing(holdings, self.downloads)
        self.resumables = Resumables(holdings, self.uploads, completing, self.sweeping)
        self.change_acts = ChangeActs(holdings)
        makers = Makers(Forks(), holdings.settings.image_workers)
        self.variants = VariantActs(holdings, self.downloads, self.sweeping, makers)

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
        if reading.transform is not None:
            return self.variants.read(caller, reading, reading.transform)
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
        return StorageUsage(
            held.objects,
            held.bytes,
            held.waiting_bytes,
            held.upload_bytes,
            held.upload_parts,
            limits.objects,
            limits.bytes,
        )

    async def file_projects(self) -> tuple[str, ...]:
        return tuple(await self.holdings.files.projects())

    async def files_state(self, project: str) -> FilesState | None:
        return await self.file_copying.state(project)

    def copied_files(self, project: str) -> AsyncIterator[CopiedList | CopiedBytes | NamedBlobs]:
        return self.file_copying.copied(project)

    def copied_blob(self, project: str, blob: str) -> AsyncIterator[CopiedBytes]:
        return self.file_copying.blob(project, blob)

    async def release_files(self, project: str) -> None:
        self.sweeping.end_copy(project)

    async def begin_restore(self, project: str, new: NewRestore) -> None:
        await self.restoring.begin(project, new)

    async def feed_list(self, project: str, restore: str, data: bytes) -> None:
        await self.restoring.feed_list(project, restore, data)

    async def restored_list(self, project: str, restore: str) -> CopiedList:
        return await self.restoring.restored_list(project, restore)

    def lacking_blobs(self, project: str, restore: str) -> AsyncIterator[NamedBlobs]:
        return self.restoring.lacking(project, restore)

    async def feed_blob(self, project: str, restore: str, blob: str, data: bytes, last: bool) -> None:
        await self.restoring.feed_blob(project, restore, blob, data, last)

    async def prepare_restore(self, project: str, restore: str) -> None:
        await self.restoring.prepare(project, restore)

    async def commit_restore(self, project: str, restore: str) -> None:
        await self.restoring.commit(project, restore)

    async def abort_restore(self, project: str, restore: str) -> None:
        await self.restoring.abort(project, restore)

    async def prepared_restores(self) -> tuple[PreparedRestore, ...]:
        return await self.restoring.all_prepared()

    async def files_key(self, caller: Caller) -> FilesKey | None:
        caller.check(Act.DATA_KEY_READ)
        return await self.rotations.state(caller.project)

    async def rotate_files_key(self, caller: Caller) -> FilesKey | None:
        caller.check(Act.DATA_KEY_ROTATE)
        return await self.rotations.begin(caller.project)

    async def drop_project(self, project: str) -> None:
        self.uploads.end_project(project)
        await self.rotations.end(project)
        await self.restoring.drop(project)
        await self.holdings.files.drop(project)  # first, because it holds the keys: without it the blobs are unreadable
        await self.holdings.blobs.delete_project(project)
        self.sweeping.noted.discard(project)
        self.change_acts.forget(project)

    async def close(self) -> None:
        await self.meter.writer.close()
        await self.rotations.close()
        await self.restoring.close()
        await self.uploads.close()
        await self.variants.close()
        await self.holdings.files.close()
