"""The contract of Storage for uploads in parts and for tags, in this process and behind an internal port."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Role
from bunbase.contracts.multipart import (
    Completing,
    InvalidPart,
    MultipartListing,
    NamedPart,
    NewMultipart,
    NewPart,
    PartPlace,
    PartTooSmall,
)
from bunbase.contracts.object_extras import Checksum, ObjectExtras
from bunbase.contracts.storage import (
    BucketChanges,
    ContentTypeRefused,
    CopyExtras,
    Copying,
    KeptPlace,
    NewBucket,
    NewObject,
    ObjectTooLarge,
    Opened,
    Place,
    Reading,
    Storage,
    StorageQuotaExceeded,
    TooManyUploads,
    UploadNotFound,
)
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.modules import Rooms
from bunbase.storage.module import MODULE
from bunbase.storage.settings import StorageSettings
from tests.fakes import FakeKms
from tests.rooms import member_caller, opened, publishable_caller, secret_caller, site

SECRET = secret_caller("prj_a")
SETTINGS = StorageSettings(max_bytes=20_000_000, max_multipart_uploads=3, min_free_mib=0)
FIVE_MIB = 5 << 20


@pytest_asyncio.fixture(params=["local", "remote"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    rooms = Rooms({Kms: FakeKms(), Bundoc: None})
    async with opened(MODULE, rooms, site(tmp_path), request.param, settings=SETTINGS) as service:
        await service.create_bucket(SECRET, NewBucket(name="files"))
        yield service


async def begun(storage: Storage, key: str = "k", new: NewMultipart | None = None) -> str:
    return await storage.begin_multipart(SECRET, "files", key, new or NewMultipart())


async def sent(storage: Storage, upload: str, number: int, content: bytes, checksum: str = "") -> NamedPart:
    part = await storage.begin_part(SECRET, NewPart(PartPlace("files", "k", upload, number), len(content)))
    for at in range(0, len(content), 1 << 20):
        await storage.feed_upload(SECRET, part.upload, content[at : at + (1 << 20)])
    written = await storage.finish_part(SECRET, part.upload, checksum)
    assert (written.etag, written.size) == (hashlib.md5(content).hexdigest(), len(content))
    return NamedPart(number, written.etag)


def completing(upload: str, *parts: NamedPart, key: str = "k") -> Completing:
    return Completing(PartPlace("files", key, upload), parts)


async def opened_object(storage: Storage, key: str = "k") -> Opened:
    parts = [part async for part in storage.read(SECRET, Reading(Place("files", key), head=True))]
    assert isinstance(parts[0], Opened)
    return parts[0]


async def test_parts_become_an_object_with_the_properties_of_the_upload(storage: Storage) -> None:
    extras = ObjectExtras({"content-language": "de"}, {"kind": "bread"})
    upload = await begun(storage, new=NewMultipart("text/plain", "no-store", {"colour": "brown"}, extras))
    second = await sent(storage, upload, 7, b"the end")
    first = await sent(storage, upload, 2, bytes(FIVE_MIB))

    listed = await storage.parts(SECRET, PartPlace("files", "k", upload), 1)
    done = await storage.complete_multipart(SECRET, completing(upload, first, second))

    assert ([part.number for part in listed.items], listed.next) == ([2], 2)
    found = await opened_object(storage)
    assert (found.object.etag, found.object.size, found.parts) == (done.etag, FIVE_MIB + 7, 2)
    assert (found.object.content_type, found.cache_control) == ("text/plain", "no-store")
    assert (found.extras.headers, found.extras.tags) == (extras.headers, extras.tags)
    assert [part.number for part in (await storage.object_parts(SECRET, "files", "k")).items] == [2, 7]
    assert await storage.complete_multipart(SECRET, completing(upload, first, second)) == done
    assert (await storage.stored(SECRET)).bytes == FIVE_MIB + 7


async def test_an_upload_is_refused_as_a_whole(storage: Storage) -> None:
    upload = await begun(storage)
    first, second = await sent(storage, upload, 1, b"a"), await sent(storage, upload, 2, b"b")

    with pytest.raises(PartTooSmall):
        await storage.complete_multipart(SECRET, completing(upload, first, second))
    with pytest.raises(InvalidPart):
        await storage.complete_multipart(SECRET, completing(upload, NamedPart(1, second.etag)))
    with pytest.raises(UploadNotFound):
        await storage.complete_multipart(SECRET, completing(upload, first, key="other"))
    await storage.update_bucket(SECRET, "files", BucketChanges(mime=("image/*",)))
    with pytest.raises(ContentTypeRefused):
        await storage.complete_multipart(SECRET, completing(upload, first))
    await storage.update_bucket(SECRET, "files", BucketChanges(mime=(), max_bytes=1))
    with pytest.raises(ObjectTooLarge):
        await storage.begin_part(SECRET, NewPart(PartPlace("files", "k", upload, 3), 2))
    await storage.abort_multipart(SECRET, PartPlace("files", "k", upload))
    with pytest.raises(UploadNotFound):
        await storage.parts(SECRET, PartPlace("files", "k", upload), 10)


async def test_parts_count_to_the_limit_and_uploads_are_bounded(storage: Storage) -> None:
    upload = await begun(storage)
    for number in (1, 2, 3):
        await sent(storage, upload, number, bytes(FIVE_MIB))
    await sent(storage, upload, 1, b"")  # a part that is sent again replaces the first one
    await sent(storage, upload, 1, bytes(FIVE_MIB))

    usage = await storage.stored(SECRET)
    assert (usage.bytes, usage.upload_bytes, usage.upload_parts) == (0, 3 * FIVE_MIB, 3)
    with pytest.raises(StorageQuotaExceeded):
        await storage.begin_part(SECRET, NewPart(PartPlace("files", "k", upload, 4), FIVE_MIB))
    with pytest.raises(StorageQuotaExceeded):
        await storage.begin_upload(SECRET, Place("files", "x"), NewObject(length=FIVE_MIB))
    others = [await begun(storage, key) for key in ("l", "m")]
    with pytest.raises(TooManyUploads):
        await begun(storage, "n")
    page = await storage.multiparts(SECRET, "files", MultipartListing(limit=2))
    rest = await storage.multiparts(SECRET, "files", MultipartListing("", "", 2, *(page.next or ("", ""))))
    assert [one.upload for one in (*page.items, *rest.items)] == [upload, *others]
    assert rest.next is None


async def test_only_servers_and_members_with_the_role_use_parts(storage: Storage) -> None:
    upload = await begun(storage)
    viewer, visitor = member_caller("prj_a", Role.VIEWER), publishable_caller("prj_a")
    place = PartPlace("files", "k", upload, 1)

    await storage.parts(viewer, place, 10)
    for caller in (viewer, visitor):
        with pytest.raises((Forbidden, RuleDenied)):
            await storage.begin_multipart(caller, "files", "k", NewMultipart())
        with pytest.raises((Forbidden, RuleDenied)):
            await storage.begin_part(caller, NewPart(place))
        with pytest.raises((Forbidden, RuleDenied)):
            await storage.abort_multipart(caller, place)
        with pytest.raises((Forbidden, RuleDenied)):
            await storage.set_tags(caller, "files", "k", {})
    stranger = secret_caller("prj_b")
    await storage.create_bucket(stranger, NewBucket(name="files"))
    with pytest.raises(UploadNotFound):
        await storage.begin_part(stranger, NewPart(place))
    part = await storage.begin_part(SECRET, NewPart(place))
    with pytest.raises(UploadNotFound):
        await storage.finish_part(stranger, part.upload, "")
    with pytest.raises(UploadNotFound):
        await storage.finish_upload(SECRET, part.upload)  # a part never becomes an object of its own


async def test_tags_and_checksums_stay_with_copies_until_an_upload_replaces_them(storage: Storage) -> None:
    checksum = Checksum("CRC32", "NhCmhg==")
    upload = await storage.begin_upload(SECRET, Place("files", "k"), NewObject(extras=ObjectExtras(tags={"a": "1"})))
    await storage.finish_upload(SECRET, upload, checksum)
    await storage.set_tags(SECRET, "files", "k", {"b": "2"})

    await storage.copy_object(SECRET, Copying(KeptPlace("files", "k"), KeptPlace("files", "copy")), False)
    changed = CopyExtras(tags={"c": "3"}, headers={"expires": "0"})
    await storage.copy_object(SECRET, Copying(KeptPlace("files", "k"), KeptPlace("files", "new")), False, changed)

    assert (await opened_object(storage, "copy")).extras == ObjectExtras({}, {"b": "2"}, checksum)
    assert (await opened_object(storage, "new")).extras == ObjectExtras({"expires": "0"}, {"c": "3"}, checksum)
    upload = await storage.begin_upload(SECRET, Place("files", "k"), NewObject())
    await storage.finish_upload(SECRET, upload)
    assert (await opened_object(storage)).extras == ObjectExtras()
