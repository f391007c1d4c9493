"""Variants of images through the real gateway and a socket, as the guide shows them; and what becomes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.images import Transform
from bunbase.contracts.storage import NewBucket, Opened, Piece, Place, Reading
from bunbase.pkg.modules import Rooms
from bunbase.storage.module import MODULE
from bunbase.storage.service import StorageService
from bunbase.storage.settings import StorageSettings
from bunbase.storage.store import variants
from bunbase.storage.store.blobs import named_blobs, totals
from tests.fakes import FakeKms
from tests.gateway.lanes import served
from tests.gateway.others import BAKERY, PUBLISHABLE
from tests.rooms import opened, secret_caller, site
from tests.storage.acts.test_restoring import copied, restored
from tests.storage.images import pictures
from tests.storage.room import SECRET, opened_storage, put
from tests.storage.whole.test_over_http import WITH_KEY, Client

OBJECTS = "/v1/storage/objects/covers/"
SMALL = Transform(width=64)


@pytest.fixture(scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Client, StorageService]]:
    directory = tmp_path_factory.mktemp("images")
    rooms = Rooms({Kms: FakeKms(), Bundoc: None})
    opening = opened(MODULE, rooms, site(directory), settings=StorageSettings(min_free_mib=0))
    async with opening as storage, served(directory, storage=storage) as at:
        client = Client(at)
        assert (await client("POST", "/v1/storage/buckets", {"name": "covers", "public": True}))[0] == 201
        assert (await client("POST", "/v1/storage/buckets", {"name": "files"}))[0] == 201
        yield client, storage


@pytest.fixture
def client(room: tuple[Client, StorageService]) -> Client:
    return room[0]


@pytest.fixture
def storage(room: tuple[Client, StorageService]) -> StorageService:
    return room[1]


async def uploaded(client: Client, key: str, data: bytes, type: str = "image/jpeg", bucket: str = "covers") -> None:
    path = f"/v1/storage/objects/{bucket}/{key}"
    status, _, body = await client("PUT", path, data, {**WITH_KEY, "Content-Type": type})
    assert status in (200, 201), body


def code(body: bytes) -> str:
    found: str = json.loads(body)["code"]
    return found


async def test_the_examples_of_the_guide(client: Client) -> None:
    await uploaded(client, "rye.jpg", pictures.jpeg(800, 600, turned=6))

    status, headers, body = await client("GET", f"{OBJECTS}rye.jpg?width=400&format=webp&project={BAKERY}", headers={})
    image = pictures.opened(body)
    assert (status, headers["content-type"]) == (200, "image/webp")
    assert (image.width, image.height) == (400, 533)
    assert headers["content-disposition"].startswith('inline; filename="rye.webp"')
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "public, no-cache"
    assert "sandbox" in headers["content-security-policy"]
    assert b"Camera 1000" not in body

    status, _, body = await client("GET", f"{OBJECTS}rye.jpg?width=192&height=192&fit=cover")
    assert (pictures.opened(body).width, pictures.opened(body).height) == (192, 192)

    await uploaded(client, "rye.jpg", pictures.jpeg(800, 600), bucket="files")
    _, _, body = await client("POST", "/v1/storage/sign", {"bucket": "files", "key": "rye.jpg"})
    path = json.loads(body)["path"]
    status, headers, body = await client("GET", f"{path}&width=96&quality=60", headers={"Accept": "image/webp,*/*"})
    assert (status, headers["content-type"], pictures.opened(body).width) == (200, "image/webp", 96)
    assert headers["cache-control"].startswith("private, max-age=")


async def test_a_head_a_range_and_conditions_are_those_of_the_variant(client: Client) -> None:
    await uploaded(client, "bread.jpg", pictures.jpeg(300, 200))
    path = f"{OBJECTS}bread.jpg?width=100&format=png"
    _, whole, body = await client("GET", path)
    tag = whole["etag"]

    status, head, nothing = await client("HEAD", path)
    assert (status, nothing, head["content-length"]) == (200, b"", str(len(body)))
    assert {name: value for name, value in head.items() if name not in ("date", "x-request-id")} == {
        name: value for name, value in whole.items() if name not in ("date", "x-request-id")
    }
    status, ranged, part = await client("GET", path, headers={**WITH_KEY, "Range": "bytes=10-19"})
    assert (status, part) == (206, body[10:20])
    assert ranged["content-range"] == f"bytes 10-19/{len(body)}"
    status, _, last = await client("GET", path, headers={**WITH_KEY, "Range": "bytes=-5", "If-Range": tag})
    assert (status, last) == (206, body[-5:])
    status, _, _ = await client("GET", path, headers={**WITH_KEY, "Range": f"bytes={len(body)}-"})
    assert status == 416
    assert (await client("GET", path, headers={**WITH_KEY, "If-None-Match": tag}))[0] == 304
    assert (await client("GET", path, headers={**WITH_KEY, "If-Match": '"other"'}))[0] == 412
    other = f"{OBJECTS}bread.jpg?width=128&format=png"
    assert (await client("GET", other, headers={**WITH_KEY, "If-None-Match": tag}))[0] == 200
    assert (await client("GET", OBJECTS + "bread.jpg"))[1]["etag"] not in (tag, "")


async def test_auto_depends_on_what_the_caller_reads(client: Client) -> None:
    await uploaded(client, "auto.png", pictures.png(), "image/png")

    for accept, type in (
        ("image/avif,image/webp,*/*;q=0.8", "image/webp"),
        ("*/*", "image/png"),
        ("image/webp;q=0", "image/png"),
        ("", "image/png"),
    ):
        _, headers, _ = await client("GET", OBJECTS + "auto.png?width=64", headers={**WITH_KEY, "Accept": accept})
        assert headers["content-type"] == type, accept
        assert headers["vary"].startswith("Accept, ")
    _, headers, _ = await client("GET", OBJECTS + "auto.png?width=64&format=jpeg")
    assert (headers["content-type"], "Accept," in headers["vary"]) == ("image/jpeg", False)


async def test_the_second_request_makes_nothing(client: Client, storage: StorageService) -> None:
    await uploaded(client, "twice.jpg", pictures.jpeg(300, 200))
    forks = storage.variants.makers.forks
    before = forks.made

    first = await client("GET", OBJECTS + "twice.jpg?width=97&format=webp")
    again = [await client("GET", OBJECTS + f"twice.jpg?width={width}&format=webp") for width in (97, 98, 112)]

    assert forks.made == before + 1
    assert [body for _, _, body in again] == [first[2]] * 3
    assert pictures.opened(first[2]).width == 112


async def test_many_equal_requests_at_once_make_one_variant(client: Client, storage: StorageService) -> None:
    await uploaded(client, "herd.jpg", pictures.jpeg(600, 400))
    before = storage.variants.makers.forks.made

    answers = await asyncio.gather(*[client("GET", OBJECTS + "herd.jpg?width=64&format=webp") for _ in range(10)])

    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, _, body in answers}) == 1
    assert storage.variants.makers.forks.made == before + 1
    assert not storage.variants.making.under_way


@pytest.mark.parametrize(
    ("data", "type", "expected"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "not_an_image"),
        (b"%PDF-1.4", "application/pdf", "not_an_image"),
        (b"<html>", "text/html", "not_an_image"),
        (b"just text", "text/plain", "not_an_image"),
        (b"", "image/x", "not_an_image"),
        (b"\xff\xd8\xff<svg onload=alert(1)>", "image/jpeg", "not_an_image"),
        (b"GIF89a/*", "image/gif", "not_an_image"),
        (pictures.jpeg()[:700], "image/jpeg", "not_an_image"),
        (pictures.bomb(), "image/png", "image_too_large"),
    ],
)
async def test_bytes_that_are_no_supported_image_have_no_variant(
    client: Client, data: bytes, type: str, expected: str
) -> None:
    await uploaded(client, "odd", data, type)

    status, headers, body = await client("GET", OBJECTS + "odd?width=64")

    assert (status, code(body), headers["content-type"]) == (422, expected, "application/problem+json")
    assert (await client("GET", OBJECTS + "odd"))[2] == data


async def test_a_large_object_is_refused_before_it_is_read(client: Client, storage: StorageService) -> None:
    await uploaded(client, "large.jpg", pictures.jpeg())
    with patch("bunbase.storage.acts.variants.MAX_INPUT_BYTES", 100):
        status, _, body = await client("GET", OBJECTS + "large.jpg?width=64")
    assert (status, code(body), json.loads(body)["limit"]) == (422, "image_too_large", 100)


async def test_wrong_parameters_are_refused(client: Client) -> None:
    await uploaded(client, "asked.jpg", pictures.jpeg())

    for query in (
        *("width=0", "width=4097", "height=-1", "width=x", "width=9999999999999999999", "fit=outside", "format=svg"),
        *("quality=19", "quality=101", "format=", "fit=cover%00", "width=64&quality=1e1"),
    ):
        status, _, body = await client("GET", f"{OBJECTS}asked.jpg?{query}")
        assert (status, code(body)) == (422, "invalid_input"), query


async def test_the_rules_decide_as_for_the_original_and_before_any_work(
    client: Client, storage: StorageService
) -> None:
    await uploaded(client, "secret.jpg", pictures.jpeg(), bucket="files")
    before = storage.variants.makers.forks.made
    visitor = {"X-Bunbase-Key": PUBLISHABLE}

    for headers in (visitor, {}):
        for key in ("secret.jpg", "missing.jpg"):
            path = f"/v1/storage/objects/files/{key}?project={BAKERY}"
            plain = await client("GET", path, headers=headers)
            variant = await client("GET", f"{path}&width=64", headers=headers)
            assert (plain[0], code(plain[2])) == (variant[0], code(variant[2]))
            assert variant[0] == 403
    rule = {"rules": {"get": "object.key == 'secret.jpg'"}}
    assert (await client("PATCH", "/v1/storage/buckets/files", rule))[0] == 200
    path = f"/v1/storage/objects/files/{{}}?project={BAKERY}&width=64"
    await uploaded(client, "other.jpg", pictures.jpeg(), bucket="files")
    assert storage.variants.makers.forks.made == before
    assert (await client("GET", path.format("secret.jpg"), headers=visitor))[0] == 200
    assert (await client("GET", path.format("other.jpg"), headers=visitor))[0] == 404
    assert storage.variants.makers.forks.made == before + 1


async def kept(storage: StorageService, project: str = "prj_a") -> list[tuple[int, str]]:
    async with storage.holdings.files.using(project) as file:
        assert file is not None
        return await file.read(lambda one: list(one.execute("SELECT object, blob FROM variants ORDER BY made")))


async def stored_blobs(storage: StorageService, project: str = "prj_a") -> set[str]:
    return {blob async for blob, _ in storage.holdings.blobs.blobs(project)}


async def got(storage: StorageService, key: str, wanted: Transform = SMALL, caller: Any = SECRET) -> bytes:
    parts = [part async for part in storage.read(caller, Reading(Place("files", key), transform=wanted))]
    assert isinstance(parts[0], Opened)
    return b"".join([part.data for part in parts[1:] if isinstance(part, Piece)])


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[StorageService]:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        yield storage


async def test_variants_end_with_their_version_of_the_object(alone: StorageService) -> None:
    await put(alone, "a", pictures.jpeg())
    await put(alone, "b", pictures.jpeg())
    await got(alone, "a")
    await got(alone, "b")
    assert len(await kept(alone)) == 2

    await put(alone, "a", pictures.jpeg(200, 200))
    assert len(await kept(alone)) == 1
    assert pictures.opened(await got(alone, "a")).height == 64
    await alone.delete_object(SECRET, Place("files", "a"))
    await alone.delete_object(SECRET, Place("files", "b"))

    assert await kept(alone) == []
    await alone.sweeping.sweep()
    left = await stored_blobs(alone)
    async with alone.holdings.files.using("prj_a") as file:
        assert file is not None
        waiting = await file.read(lambda one: [blob for (blob,) in one.execute("SELECT blob FROM pending_deletes")])
        held = await file.read(totals)
        variant_bytes = await file.read(lambda one: one.execute("SELECT variant_bytes FROM totals").get)
    assert left == set(waiting)
    assert len(waiting) == 3  # the originals, which stay for a day
    assert (held.bytes, variant_bytes) == (0, 0)


async def test_a_variant_counts_not_to_the_quota_and_is_encrypted(alone: StorageService, tmp_path: Path) -> None:
    await put(alone, "a", pictures.jpeg())
    before = await alone.stored(SECRET)
    found = await got(alone, "a")
    after = await alone.stored(SECRET)

    assert (after.bytes, after.objects, after.waiting_bytes) == (before.bytes, before.objects, 0)
    [(_, blob)] = await kept(alone)
    sealed = (tmp_path / "storage/blobs/prj_a" / blob[:2] / blob).read_bytes()
    assert len(sealed) > len(found)
    assert found[:40] not in sealed
    async with alone.holdings.files.using("prj_a") as file:
        assert file is not None
        assert blob not in [id for id, _ in await file.read(named_blobs)]


async def test_an_object_and_a_project_keep_a_limited_number_of_variants(
    alone: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants, "MOST_OF_ONE", 2)
    for key in ("a", "b"):
        await put(alone, key, pictures.jpeg())
    for width in (16, 32, 48):
        await got(alone, "a", Transform(width=width))
    await got(alone, "b")
    assert len(await kept(alone)) == 3

    object.__setattr__(alone.holdings, "settings", StorageSettings(min_free_mib=0, max_variant_bytes=1))
    await got(alone, "b", Transform(width=16))

    assert await kept(alone) == []
    await alone.sweeping.sweep()
    assert len(await stored_blobs(alone)) == 2


async def test_a_lost_or_damaged_variant_is_made_again(alone: StorageService, tmp_path: Path) -> None:
    await put(alone, "a", pictures.jpeg())
    first = await got(alone, "a")
    for damage in (b"", b"x" * 5000):
        [(_, blob)] = await kept(alone)
        path = tmp_path / "storage/blobs/prj_a" / blob[:2] / blob
        path.write_bytes(damage) if damage else path.unlink()

        assert await got(alone, "a") == first
        assert len(await kept(alone)) == 1


async def test_old_variants_and_orphans_are_swept(alone: StorageService) -> None:
    await put(alone, "a", pictures.jpeg())
    await got(alone, "a")
    await alone.sweeping.sweep_everything()
    assert len(await kept(alone)) == 1

    async with alone.holdings.files.using("prj_a") as file:
        assert file is not None
        await file.write(lambda one: one.execute("UPDATE variants SET made = 0").fetchall())
    await alone.sweeping.sweep_everything()

    assert await kept(alone) == []
    assert len(await stored_blobs(alone)) == 1


async def test_a_backup_has_no_variants_and_a_restore_and_a_clone_make_them_again(alone: StorageService) -> None:
    await put(alone, "a", pictures.jpeg())
    first = await got(alone, "a")
    copy = await copied(alone)
    assert len(copy.blobs) == 1

    await restored(alone, copy, "prj_a")
    assert await kept(alone) == []
    assert await got(alone, "a") == first
    await restored(alone, copy, "prj_b")
    assert await kept(alone, "prj_b") == []
    assert await got(alone, "a", caller=secret_caller("prj_b")) == first


async def test_a_rotation_of_the_key_keeps_variants(alone: StorageService) -> None:
    await put(alone, "a", pictures.jpeg())
    first, before = await got(alone, "a"), alone.variants.makers.forks.made
    await alone.rotations.begin("prj_a")
    async with asyncio.timeout(30):
        while (state := await alone.rotations.state("prj_a")) is not None and state.rotating:
            await asyncio.sleep(0.01)

    assert await got(alone, "a") == first
    assert alone.variants.makers.forks.made == before


async def test_an_image_that_is_replaced_meanwhile_keeps_no_variant(alone: StorageService) -> None:
    await put(alone, "a", pictures.jpeg())
    make = alone.variants.makers.make

    async def slow(*args: Any) -> Any:
        made = await make(*args)
        await put(alone, "a", pictures.png())
        return made

    with patch.object(alone.variants.makers, "make", slow):
        assert pictures.opened(await got(alone, "a", Transform(width=64, format="jpeg"))).width == 64

    assert await kept(alone) == []
    assert len(await stored_blobs(alone)) == 2


async def test_two_projects_never_meet(alone: StorageService) -> None:
    other = secret_caller("prj_b")

    await alone.create_bucket(other, NewBucket(name="files"))
    await put(alone, "a", pictures.jpeg(200, 100))
    await put(alone, "a", pictures.jpeg(100, 200), caller=other)

    mine, theirs = await asyncio.gather(got(alone, "a"), got(alone, "a", caller=other))

    assert (pictures.opened(mine).height, pictures.opened(theirs).height) == (32, 128)
    assert {blob for _, blob in await kept(alone)}.isdisjoint({blob for _, blob in await kept(alone, "prj_b")})


async def test_a_full_disk_still_answers(alone: StorageService) -> None:
    await put(alone, "a", pictures.jpeg())
    with patch.object(type(alone.holdings.blobs), "free_bytes", lambda _self: -1):
        assert pictures.opened(await got(alone, "a")).width == 64
    assert await kept(alone) == []


async def test_the_end_of_a_project_ends_its_variants(alone: StorageService) -> None:
    await put(alone, "a", pictures.jpeg())
    await got(alone, "a")
    await alone.drop_project("prj_a")
    assert await stored_blobs(alone) == set()
