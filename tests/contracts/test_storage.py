"""The contract of Storage holds in this process and behind an internal port."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.documents import Document
from bunbase.contracts.bundoc.problems import DocumentNotFound, ResyncRequired, RuleDenied
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller, CallerKind, EndUser, Role
from bunbase.contracts.images import NotAnImage, Transform
from bunbase.contracts.scopes import InsufficientScope
from bunbase.contracts.storage import (
    BucketChanges,
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    BucketRules,
    Conditions,
    ContentDigestMismatch,
    ContentTypeRefused,
    Copying,
    InvalidBucket,
    InvalidLink,
    InvalidObjectKey,
    KeptPlace,
    Listing,
    NewBucket,
    NewLink,
    NewObject,
    ObjectChanged,
    ObjectNotFound,
    ObjectTooLarge,
    Opened,
    Piece,
    Place,
    RangeNotSatisfiable,
    Reading,
    Storage,
    StorageQuotaExceeded,
    TooManyUploads,
    UploadNotFound,
    WrittenObject,
)
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.modules import Rooms
from bunbase.pkg.rules.refusal import InvalidRule
from bunbase.storage.module import MODULE
from bunbase.storage.settings import StorageSettings
from tests.fakes import FakeKms
from tests.rooms import member_caller, opened, publishable_caller, secret_caller, site
from tests.storage.images import pictures
from tests.storage.keys import KEYS

SECRET = secret_caller("prj_a")
VISITOR = publishable_caller("prj_a")
STRANGER = Caller(CallerKind.ANONYMOUS, project="prj_a")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
OWN = BucketRules(
    list="object.owner == auth.uid",
    get="object.owner == auth.uid || object.metadata.shared == 'yes'",
    create="auth != null && next.size < 1000 && next.key.startsWith(auth.uid + '/')",
    update="object.owner == auth.uid && next.size < 1000",
    delete="object.owner == auth.uid",
)
SETTINGS = StorageSettings(max_bytes=5_000_000, max_objects=200, max_uploads=5, min_free_mib=0)


class SomeDocuments:
    """A Bundoc that has one document."""

    async def get(self, _caller: Caller, collection: str, id: str) -> Any:
        if (collection, id) != ("members", "ada"):
            raise DocumentNotFound("There is no such document.")
        return Document("ada", 1, b'{"_id":"ada","level":3}')


@pytest.fixture(params=["local", "remote"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    rooms = Rooms({Kms: FakeKms(), Bundoc: SomeDocuments()})
    async with opened(MODULE, rooms, site(tmp_path), request.param, SETTINGS) as service:
        await service.create_bucket(SECRET, NewBucket(name="files"))
        yield service


def user(uid: str) -> Caller:
    return publishable_caller("prj_a", EndUser(uid, None, "user", {}, f"ses_{uid}"))


async def put(
    storage: Storage, key: str, content: bytes = b"hello", by: Caller = SECRET, bucket: str = "files", **new: Any
) -> WrittenObject:
    link = new.pop("link", "")
    upload = await storage.begin_upload(by, Place(bucket, key, link), NewObject(**new))
    for at in range(0, len(content), 1 << 20):
        await storage.feed_upload(by, upload, content[at : at + (1 << 20)])
    return await storage.finish_upload(by, upload)


async def read(
    storage: Storage, key: str, by: Caller = SECRET, bucket: str = "files", link: str = "", **asked: Any
) -> tuple[Opened, bytes]:
    parts = [part async for part in storage.read(by, Reading(Place(bucket, key, link), **asked))]
    first, rest = parts[0], parts[1:]
    assert isinstance(first, Opened)
    return first, b"".join([part.data for part in rest if isinstance(part, Piece)])


async def keys(storage: Storage, by: Caller = SECRET, bucket: str = "files") -> list[str]:
    return [one.key for one in (await storage.objects(by, bucket, Listing(limit=500))).items]


async def test_an_object_comes_back_byte_for_byte(storage: Storage) -> None:
    content = os.urandom(3_500_000)

    written = await put(storage, "a/b.bin", content, content_type="application/x-test", metadata={"n": "1"})

    assert written.created
    opened, found = await read(storage, "a/b.bin")
    assert found == content
    assert opened.object == written.object
    assert (opened.status, opened.start, opened.end) == (200, 0, len(content))
    assert written.object.etag == hashlib.md5(content).hexdigest()
    assert (written.object.content_type, written.object.metadata) == ("application/x-test", {"n": "1"})
    for start, end in ((0, 0), (0, 1), (65_535, 65_536), (1_000_000, 2_200_000), (3_499_999, 3_499_999)):
        opened, found = await read(storage, "a/b.bin", range=f"bytes={start}-{end}")
        assert (opened.status, found) == (206, content[start : end + 1])
    opened, found = await read(storage, "a/b.bin", range="bytes=-5")
    assert found == content[-5:]
    with pytest.raises(RangeNotSatisfiable):
        await read(storage, "a/b.bin", range="bytes=3500000-")


async def test_an_empty_object(storage: Storage) -> None:
    assert (await put(storage, "empty", b"")).object.size == 0

    assert (await read(storage, "empty"))[1] == b""
    with pytest.raises(RangeNotSatisfiable):
        await read(storage, "empty", range="bytes=0-0")


async def test_keys_are_no_paths(storage: Storage, tmp_path: Path) -> None:
    some = KEYS[4::9]  # `tests/storage/whole/test_over_http.py` sends all keys.
    for key in some:
        await put(storage, key, key.encode())
    for key in some:
        assert (await read(storage, key))[1] == key.encode()

    assert await keys(storage) == sorted(some, key=str.encode)
    for path in (tmp_path / "storage" / "blobs").rglob("*"):
        assert path.is_dir() or path.name.isalnum()
    done = await storage.delete_objects(SECRET, "files", some)
    assert all(one.deleted for one in done)
    assert await keys(storage) == []


@pytest.mark.parametrize("key", ["", "a\0b", "x" * 1025, "é" * 513])
async def test_other_keys_are_refused(storage: Storage, key: str) -> None:
    with pytest.raises(InvalidObjectKey):
        await put(storage, key)


async def test_conditions_decide_inside_the_transaction(storage: Storage) -> None:
    new = Conditions(if_none_match="*")

    results = await asyncio.gather(
        *[put(storage, "one", b"%d" % n, conditions=new) for n in range(4)], return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in results) == ["ObjectChanged"] * 3 + ["WrittenObject"]
    first = next(one for one in results if isinstance(one, WrittenObject)).object
    assert (await put(storage, "one", b"two", conditions=Conditions(if_match=f'"{first.etag}"'))).created is False
    with pytest.raises(ObjectChanged):
        await put(storage, "one", b"three", conditions=Conditions(if_match=f'"{first.etag}"'))
    with pytest.raises(ObjectChanged):
        await storage.delete_object(SECRET, Place("files", "one"), Conditions(if_match=f'"{first.etag}"'))
    known = Conditions(if_none_match=f'"{hashlib.md5(b"two").hexdigest()}"')
    opened, found = await read(storage, "one", conditions=known)
    assert (opened.status, found) == (304, b"")
    await storage.delete_object(SECRET, Place("files", "one"), Conditions(if_match="*"))
    with pytest.raises(ObjectNotFound):
        await read(storage, "one")
    with pytest.raises(ObjectNotFound):
        await storage.delete_object(SECRET, Place("files", "one"))


async def test_a_failed_upload_leaves_the_present_object_and_no_blob(storage: Storage, tmp_path: Path) -> None:
    await put(storage, "kept", b"kept")
    await storage.create_bucket(SECRET, NewBucket(name="small", max_bytes=10))

    with pytest.raises(ContentDigestMismatch):
        await put(storage, "kept", b"other", md5="0" * 32)
    with pytest.raises(InvalidInput):
        await put(storage, "kept", b"other", length=7)
    with pytest.raises(ObjectTooLarge):
        await put(storage, "kept", b"12345678901", bucket="small")
    with pytest.raises(ObjectTooLarge):
        await storage.begin_upload(SECRET, Place("small", "kept"), NewObject(length=11))
    upload = await storage.begin_upload(SECRET, Place("files", "kept"), NewObject())
    await storage.feed_upload(SECRET, upload, b"other")
    await storage.abort_upload(SECRET, upload)
    await storage.abort_upload(SECRET, upload)
    with pytest.raises(UploadNotFound):
        await storage.finish_upload(SECRET, upload)
    with pytest.raises(UploadNotFound):
        await storage.feed_upload(secret_caller("prj_b"), upload, b"x")

    assert (await read(storage, "kept"))[1] == b"kept"
    async with asyncio.timeout(10):
        while len([path for path in (tmp_path / "storage" / "blobs").rglob("*") if path.is_file()]) != 1:
            await asyncio.sleep(0.01)
    assert (await put(storage, "kept", b"new", md5=hashlib.md5(b"new").hexdigest(), length=3)).created is False


async def test_limits_of_a_project(storage: Storage) -> None:
    running = [await storage.begin_upload(SECRET, Place("files", f"{n}"), NewObject()) for n in range(4)]
    with pytest.raises(TooManyUploads):
        await storage.begin_upload(SECRET, Place("files", "x"), NewObject())
    for upload in running:
        await storage.abort_upload(SECRET, upload)

    with pytest.raises(StorageQuotaExceeded):
        await storage.begin_upload(SECRET, Place("files", "x"), NewObject(length=5_000_001))
    upload = await storage.begin_upload(SECRET, Place("files", "x"), NewObject())
    for _ in range(4):
        await storage.feed_upload(SECRET, upload, bytes(1 << 20))
    with pytest.raises(StorageQuotaExceeded):
        await storage.feed_upload(SECRET, upload, bytes(1 << 20))
    await put(storage, "x", b"12345")
    usage = await storage.stored(SECRET)
    assert (usage.objects, usage.bytes, usage.waiting_bytes) == (1, 5, 0)
    await put(storage, "x", b"1")
    assert (await storage.stored(SECRET)).waiting_bytes == 5
    assert (await storage.stored(secret_caller("prj_b"))).objects == 0


async def test_types_are_checked_by_name_and_by_the_first_bytes(storage: Storage) -> None:
    await storage.create_bucket(SECRET, NewBucket(name="images", mime=("image/*",)))

    assert (await put(storage, "a.png", PNG, bucket="images", content_type="image/png")).created
    for content_type, content in (
        ("text/html", b"<html>"),
        ("", PNG),
        ("image/png", b"<html><script>"),
        ("image/png", b"<svg onload=x>" + bytes(600)),
        ("image/png", b"nothing known"),
        ("image/gif", b""),
    ):
        with pytest.raises(ContentTypeRefused):
            await put(storage, "b", content, bucket="images", content_type=content_type)
    await put(storage, "page", b"<html>", content_type="text/html")
    with pytest.raises(ContentTypeRefused):
        await storage.copy_object(
            SECRET, Copying(KeptPlace("files", "page"), KeptPlace("images", "b"), content_type="image/png"), False
        )
    assert await keys(storage, bucket="images") == ["a.png"]


async def test_copies_and_moves_share_the_bytes(storage: Storage, tmp_path: Path) -> None:
    await put(storage, "a", b"content", content_type="text/plain", metadata={"n": "1"})
    await storage.create_bucket(SECRET, NewBucket(name="other"))

    copied = await storage.copy_object(SECRET, Copying(KeptPlace("files", "a"), KeptPlace("other", "b")), False)
    here = KeptPlace("other", "b")
    changed = await storage.copy_object(SECRET, Copying(here, here, content_type="text/css", metadata={}), False)
    moved = await storage.copy_object(SECRET, Copying(KeptPlace("files", "a"), KeptPlace("files", "z/")), True)

    assert (copied.created, copied.object.content_type, copied.object.metadata) == (True, "text/plain", {"n": "1"})
    assert (changed.created, changed.object.content_type, changed.object.metadata) == (False, "text/css", {})
    assert moved.created
    assert await keys(storage) == ["z/"]
    for key, bucket in (("b", "other"), ("z/", "files")):
        assert (await read(storage, key, bucket=bucket))[1] == b"content"
    assert len([path for path in (tmp_path / "storage" / "blobs").rglob("*") if path.is_file()]) == 1
    with pytest.raises(ObjectChanged):
        await storage.copy_object(
            SECRET, Copying(KeptPlace("files", "z/"), KeptPlace("other", "b"), overwrite=False), True
        )
    same = Copying(KeptPlace("files", "z/"), KeptPlace("files", "z/"))
    assert (await storage.copy_object(SECRET, same, True)).created is False
    await storage.copy_object(SECRET, Copying(KeptPlace("files", "z/"), KeptPlace("other", "b")), True)
    assert (await keys(storage), await keys(storage, bucket="other")) == ([], ["b"])
    assert (await storage.stored(SECRET)).objects == 1
    with pytest.raises(ObjectNotFound):
        await storage.copy_object(SECRET, Copying(KeptPlace("files", "gone"), KeptPlace("files", "x")), False)
    with pytest.raises(BucketNotFound):
        await storage.copy_object(SECRET, Copying(KeptPlace("other", "b"), KeptPlace("gone", "x")), False)


async def test_lists_have_pages_and_groups(storage: Storage) -> None:
    for key in ("a/1", "a/2", "b/1", "c", "d"):
        await put(storage, key)

    first = await storage.objects(SECRET, "files", Listing(delimiter="/", limit=3))
    second = await storage.objects(SECRET, "files", Listing(delimiter="/", limit=3, cursor=first.next))

    assert (first.prefixes, [one.key for one in first.items]) == (("a/", "b/"), ["c"])
    assert ([one.key for one in second.items], second.next) == (["d"], None)
    below = await storage.objects(SECRET, "files", Listing(prefix="a/", delimiter="/"))
    assert [one.key for one in below.items] == ["a/1", "a/2"]
    for cursor in (first.next, "x"):
        with pytest.raises(InvalidCursor):
            await storage.objects(SECRET, "files", Listing(cursor=cursor))


async def test_without_a_rule_only_servers_and_members_have_access(storage: Storage) -> None:
    await put(storage, "a")

    for caller in (VISITOR, user("ada"), STRANGER):
        for act in (
            lambda by: read(storage, "a", by),
            lambda by: read(storage, "missing", by),
            lambda by: put(storage, "b", by=by),
            lambda by: keys(storage, by),
            lambda by: storage.delete_object(by, Place("files", "a")),
            lambda by: storage.copy_object(by, Copying(KeptPlace("files", "a"), KeptPlace("files", "b")), False),
        ):
            with pytest.raises(RuleDenied):
                await act(caller)
        with pytest.raises(Forbidden):
            await storage.buckets(caller)
        with pytest.raises(Forbidden):
            await storage.sign(caller, NewLink("files", "a"))
    with pytest.raises(RuleDenied):
        await read(storage, "a", STRANGER, bucket="missing")
    assert (await read(storage, "a", member_caller("prj_a", Role.VIEWER)))[1] == b"hello"
    with pytest.raises(Forbidden):
        await put(storage, "a", by=member_caller("prj_a", Role.VIEWER))
    with pytest.raises(BucketNotFound):
        await read(storage, "a", secret_caller("prj_b"))


async def test_rules_decide_about_users_and_filter_lists(storage: Storage) -> None:
    await storage.update_bucket(SECRET, "files", BucketChanges(rules=OWN))
    ada, eve = user("ada"), user("eve")

    written = await put(storage, "ada/1", by=ada)
    await put(storage, "ada/2", by=ada, metadata={"shared": "yes"})
    await put(storage, "eve/1", by=eve)
    await put(storage, "server/1")

    assert written.object.owner == "ada"
    assert await keys(storage, ada) == ["ada/1", "ada/2"]
    assert await keys(storage, VISITOR) == []
    assert (await read(storage, "ada/2", eve))[1] == b"hello"
    for key in ("ada/1", "server/1", "missing"):
        with pytest.raises(ObjectNotFound):
            await read(storage, key, eve)
        with pytest.raises(ObjectNotFound):
            await storage.delete_object(eve, Place("files", key))
    for key, content in (("ada/1", b"x"), ("eve/2", b"x" * 1000), ("ada/9", b"x")):
        with pytest.raises(RuleDenied):
            await put(storage, key, content, by=eve)
    with pytest.raises(RuleDenied):
        await storage.delete_object(eve, Place("files", "ada/2"))
    done = await storage.delete_objects(eve, "files", ("ada/1", "ada/2", "eve/1", "missing"))
    assert [one.code for one in done] == [None, "rule_denied", None, None]
    assert [one.deleted for one in done] == [True, False, True, True]
    assert await keys(storage) == ["ada/1", "ada/2", "server/1"]
    with pytest.raises(RuleDenied):
        await storage.copy_object(eve, Copying(KeptPlace("files", "ada/2"), KeptPlace("files", "eve/x")), True)
    copied = await storage.copy_object(eve, Copying(KeptPlace("files", "ada/2"), KeptPlace("files", "eve/x")), False)
    assert copied.object.owner == "eve"
    assert (await put(storage, "eve/x", b"server")).object.owner == "eve"


async def test_rules_may_look_up_documents_except_in_lists(storage: Storage) -> None:
    rules = BucketRules(get="get('members', auth.uid).level > 2", create="exists('members', auth.uid)")
    await storage.update_bucket(SECRET, "files", BucketChanges(rules=rules))

    await put(storage, "a", by=user("ada"))
    with pytest.raises(RuleDenied):
        await put(storage, "b", by=user("eve"))
    assert (await read(storage, "a", user("ada")))[1] == b"hello"
    with pytest.raises(ObjectNotFound):
        await read(storage, "a", user("eve"))
    for wrong in (BucketRules(list="exists('members', auth.uid)"), BucketRules(get="doc.x == 1"), BucketRules(get="1")):
        with pytest.raises(InvalidRule):
            await storage.update_bucket(SECRET, "files", BucketChanges(rules=wrong))


async def test_scopes_limit_keys(storage: Storage) -> None:
    reader = Caller(CallerKind.SECRET, project="prj_a", scopes=("files:read",))
    await put(storage, "a")

    assert (await read(storage, "a", reader))[1] == b"hello"
    with pytest.raises(InsufficientScope):
        await put(storage, "a", by=reader)
    with pytest.raises(InsufficientScope):
        await storage.create_bucket(reader, NewBucket(name="new"))
    with pytest.raises(InsufficientScope):
        await storage.sign(reader, NewLink("files", "a", method="PUT"))
    assert (await storage.sign(reader, NewLink("files", "a"))).method == "GET"


async def test_a_public_bucket_is_read_without_a_key(storage: Storage) -> None:
    await storage.update_bucket(SECRET, "files", BucketChanges(public=True, cache_control="max-age=60"))
    await put(storage, "a")

    opened, found = await read(storage, "a", STRANGER)

    assert (found, opened.public, opened.cache_control) == (b"hello", True, "max-age=60")
    with pytest.raises(RuleDenied):
        await keys(storage, STRANGER)
    with pytest.raises(RuleDenied):
        await put(storage, "a", by=STRANGER)
    with pytest.raises(ObjectNotFound):
        await read(storage, "missing", STRANGER)


async def test_a_link_allows_one_method_for_one_object(storage: Storage) -> None:
    await put(storage, "a b/c")
    await storage.create_bucket(SECRET, NewBucket(name="other"))

    reading = await storage.sign(SECRET, NewLink("files", "a b/c"))
    writing = await storage.sign(SECRET, NewLink("files", "new", method="PUT", content_type="text/plain", max_bytes=5))

    opened, found = await read(storage, "a b/c", STRANGER, link=reading.token)
    assert found == b"hello"
    assert opened.link_seconds is not None
    assert 3500 < opened.link_seconds <= 3600
    assert not opened.public
    assert (await put(storage, "new", b"12345", STRANGER, link=writing.token, content_type="text/plain")).created
    for refused in (
        lambda: read(storage, "new", STRANGER, link=reading.token),
        lambda: read(storage, "a b/c", STRANGER, bucket="other", link=reading.token),
        lambda: read(storage, "a b/c", STRANGER, bucket="gone", link=reading.token),
        lambda: read(storage, "new", STRANGER, link=writing.token),
        lambda: put(storage, "a b/c", by=STRANGER, link=reading.token),
        lambda: put(storage, "new", by=STRANGER, link=writing.token, content_type="text/html"),
        lambda: read(storage, "a b/c", STRANGER, link=reading.token + "A"),
        lambda: read(storage, "a b/c", STRANGER, link=reading.token.replace(".", "")),
        lambda: read(storage, "a b/c", Caller(CallerKind.ANONYMOUS, project="prj_b"), link=reading.token),
    ):
        with pytest.raises(InvalidLink):
            await refused()
    with pytest.raises(ObjectTooLarge):
        await put(storage, "new", b"123456", STRANGER, link=writing.token, content_type="text/plain")
    with pytest.raises(InvalidInput):
        await storage.sign(SECRET, NewLink("files", "a", max_bytes=1))


async def test_buckets_are_created_changed_and_deleted(storage: Storage) -> None:
    created = await storage.create_bucket(SECRET, NewBucket(name="avatars", max_bytes=1000, mime=("image/*",)))

    assert [one.name for one in (await storage.buckets(SECRET)).items] == ["avatars", "files"]
    assert await storage.bucket(SECRET, "avatars") == created
    changed = await storage.update_bucket(SECRET, "avatars", BucketChanges(public=True))
    assert (changed.public, changed.max_bytes, changed.mime) == (True, 1000, ("image/*",))
    with pytest.raises(BucketExists):
        await storage.create_bucket(SECRET, NewBucket(name="avatars"))
    for wrong in (BucketChanges(mime=("png",)), BucketChanges(cache_control="a\r\nb")):
        with pytest.raises(InvalidBucket):
            await storage.update_bucket(SECRET, "avatars", wrong)
    await put(storage, "a.png", PNG, bucket="avatars", content_type="image/png")
    with pytest.raises(BucketNotEmpty):
        await storage.delete_bucket(SECRET, "avatars")
    await storage.delete_object(SECRET, Place("avatars", "a.png"))
    await storage.delete_bucket(SECRET, "avatars")
    for gone in (storage.delete_bucket(SECRET, "avatars"), storage.bucket(SECRET, "avatars")):
        with pytest.raises(BucketNotFound):
            await gone
    with pytest.raises(BucketNotFound):
        await put(storage, "a", bucket="avatars")


async def test_a_deleted_project_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    await put(storage, "a", os.urandom(100_000))
    other = secret_caller("prj_b")
    await storage.create_bucket(other, NewBucket(name="files"))
    await put(storage, "b", by=other)

    await storage.drop_project("prj_a")
    await storage.drop_project("prj_a")

    assert not (tmp_path / "storage" / "prj_a").exists()
    assert not (tmp_path / "storage" / "blobs" / "prj_a").exists()
    assert (await read(storage, "b", other))[1] == b"hello"


async def test_changes_are_numbered_and_a_reader_waits_for_the_next_one(storage: Storage) -> None:
    by_run = msgspec.structs.replace(SECRET, depth=4)
    written = await put(storage, "a", b"one", by_run)
    first = await storage.changes(SECRET, 0, 10, 0)
    waiting = asyncio.create_task(storage.changes(SECRET, first.next, 10, 20))
    await storage.delete_object(by_run, Place("files", "a"))

    second = await waiting

    [created], [deleted] = first.items, second.items
    assert (created.op, created.bucket, created.key, created.etag) == ("create", "files", "a", written.object.etag)
    assert (created.size, created.content_type, created.owner, created.depth) == (
        3,
        "application/octet-stream",
        None,
        4,
    )
    assert (deleted.op, deleted.key, deleted.seq) == ("delete", "a", second.next)
    assert deleted.seq > created.seq
    with pytest.raises(ResyncRequired) as told:
        await storage.changes(SECRET, second.next + 1, 10, 0)
    assert told.value.extra == {"first": 0, "last": second.next}
    for caller in (VISITOR, user("ada"), STRANGER):
        with pytest.raises(RuleDenied):
            await storage.changes(caller, 0, 10, 0)


async def test_a_variant_of_an_image_is_read_and_other_objects_have_none(storage: Storage) -> None:
    await put(storage, "rye.jpg", pictures.jpeg())
    await put(storage, "rye.txt", b"Rye bread")
    small = Transform(width=32, format="png")

    parts = [part async for part in storage.read(SECRET, Reading(Place("files", "rye.jpg"), transform=small))]
    with pytest.raises(NotAnImage):
        [part async for part in storage.read(SECRET, Reading(Place("files", "rye.txt"), transform=small))]

    assert isinstance(parts[0], Opened)
    assert (parts[0].object.content_type, parts[0].object.key) == ("image/png", "rye.png")
    assert pictures.opened(b"".join([part.data for part in parts if isinstance(part, Piece)])).width == 32
