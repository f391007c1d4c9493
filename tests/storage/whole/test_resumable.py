"""Resumable uploads through the real gateway and a real socket, and after kill -9."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import json
import os
import random
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.resumable import NewChunk, NewResumable, UploadOffsetMismatch
from bunbase.contracts.storage import NewBucket, StorageBusy, UploadNotFound
from bunbase.pkg.clock import ManualClock, SystemClock
from bunbase.pkg.modules import Rooms
from bunbase.storage.acts import resumables
from bunbase.storage.module import MODULE
from bunbase.storage.settings import StorageSettings
from bunbase.storage.store import multipart
from tests.bundoc.killing import killed
from tests.fakes import FakeKms
from tests.gateway.lanes import served
from tests.gateway.others import PUBLISHABLE, SERVERS
from tests.rooms import opened, site
from tests.storage.room import SECRET, opened_storage, read
from tests.storage.whole.killed_resumer import CONTENT, KEY
from tests.storage.whole.test_killed import blobs_on_disk
from tests.storage.whole.test_over_http import Client

KILLS = int(os.environ.get("BUNBASE_STORAGE_KILLS", "3"))  # `make soak` sets more
TUS = "/v1/storage/tus"
VERSION = {"X-Bunbase-Key": SERVERS, "Tus-Resumable": "1.0.0"}
CHUNK = {**VERSION, "Content-Type": "application/offset+octet-stream"}


def encoded(**values: str) -> str:
    return ",".join([f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items()])


def checksum(data: bytes) -> dict[str, str]:
    return {"Upload-Checksum": f"sha1 {base64.b64encode(hashlib.sha1(data).digest()).decode()}"}


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    directory = tmp_path_factory.mktemp("tus")
    rooms = Rooms({Kms: FakeKms(), Bundoc: None})
    opening = opened(MODULE, rooms, site(directory), settings=StorageSettings(min_free_mib=0))
    async with opening as storage, served(directory, storage=storage) as at:
        client = Client(at)
        assert (await client("POST", "/v1/storage/buckets", {"name": "files"}))[0] == 201
        yield client


async def begun(client: Client, key: str, length: int | None, body: bytes | None = None, **more: str) -> str:
    """Begin an upload, and return its path."""
    of_length = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    metadata = {"Upload-Metadata": encoded(bucket="files", key=key, **more)}
    status, headers, _ = await client(
        "POST", TUS, body, {**(VERSION if body is None else CHUNK), **of_length, **metadata}
    )
    assert status == 201
    return headers["location"]


async def sent(client: Client, path: str, offset: int, data: bytes, **more: str) -> tuple[int, dict[str, str], Any]:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    status, headers, body = await client("PATCH", path, data, {**CHUNK, "Upload-Offset": str(offset), **named})
    return status, headers, json.loads(body) if body else None


async def offset_of(client: Client, path: str) -> int:
    status, headers, _ = await client("HEAD", path, None, VERSION)
    assert (status, headers["cache-control"], headers["tus-resumable"]) == (200, "no-store", "1.0.0")
    return int(headers["upload-offset"])


async def test_the_server_shows_its_version_and_its_extensions_without_a_key(client: Client) -> None:
    status, headers, _ = await client("OPTIONS", TUS, None, {})

    assert (status, headers["tus-version"], headers["tus-max-size"]) == (204, "1.0.0", str(100 << 30))
    extensions = "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum"
    assert (headers["tus-extension"], headers["tus-checksum-algorithm"]) == (extensions, "sha1,md5,sha256")


async def test_an_upload_is_begun_continued_and_finished(client: Client) -> None:
    metadata = json.dumps({"title": "Größe"})
    path = await begun(client, "a/ü b.txt", 10, b"0123", filetype="text/plain", metadata=metadata, filename="x")
    status, headers, body = await client("GET", path, None, VERSION)
    state = json.loads(body)
    assert (status, headers["upload-offset"], headers["upload-length"], state["offset"]) == (200, "4", "10", 4)
    assert headers["upload-metadata"] == encoded(
        bucket="files", key="a/ü b.txt", filetype="text/plain", metadata=metadata, filename="x"
    )
    assert headers["upload-expires"].endswith("GMT")

    first = await sent(client, path, 4, b"45", **checksum(b"45"))
    last = await sent(client, path, 6, b"6789")

    assert (first[0], first[1]["upload-offset"], last[0], last[1]["upload-offset"]) == (204, "6", 204, "10")
    assert await offset_of(client, path) == 10
    status, headers, body = await client("GET", "/v1/storage/objects/files/a/%C3%BC%20b.txt")
    assert (status, body, headers["content-type"]) == (200, b"0123456789", "text/plain")
    assert (json.loads(headers["x-bunbase-metadata"]), headers["etag"]) == ({"title": "Größe"}, last[1]["etag"])
    assert (await client("DELETE", path, None, VERSION))[0] == 404


async def test_empty_uploads_late_lengths_and_the_names_of_other_clients(client: Client) -> None:
    path = await begun(client, "empty", 0)
    assert (await offset_of(client, path), (await client("GET", "/v1/storage/objects/files/empty"))[2]) == (0, b"")
    late = await begun(client, "late", None)
    _, headers, _ = await client("HEAD", late, None, VERSION)
    assert (headers["upload-defer-length"], headers.get("upload-length")) == ("1", None)
    assert (await sent(client, late, 0, b"0123"))[0] == 204
    assert (await sent(client, late, 4, b"4", Upload_Length="5"))[1]["upload-length"] == "5"
    assert (await client("GET", "/v1/storage/objects/files/late"))[2] == b"01234"

    named = {"Upload-Metadata": encoded(bucketName="files", objectName="other", contentType="text/plain")}
    status, headers, _ = await client("POST", TUS, b"1", {**CHUNK, "Upload-Length": "1", **named})
    assert (status, headers["upload-offset"]) == (201, "1")
    assert (await client("GET", "/v1/storage/objects/files/other"))[1]["content-type"] == "text/plain"


async def test_wrong_requests_are_refused_with_a_code_and_what_to_do(client: Client) -> None:
    path = await begun(client, "wrong", 10)
    metadata = {"Upload-Metadata": encoded(bucket="files", key="wrong")}
    length = {"Upload-Length": "1"}
    offset = {"Upload-Offset": "0"}
    plain = {"X-Bunbase-Key": SERVERS}
    cases: list[tuple[str, str, dict[str, str], int, str]] = [
        ("POST", TUS, {**plain, **length, **metadata}, 412, "tus_version_unsupported"),
        ("POST", TUS, {**VERSION, "Tus-Resumable": "0.2.2", **length, **metadata}, 412, "tus_version_unsupported"),
        ("POST", TUS, {**VERSION, **metadata}, 422, "invalid_input"),
        ("POST", TUS, {**VERSION, **length, "Upload-Defer-Length": "1", **metadata}, 422, "invalid_input"),
        ("POST", TUS, {**VERSION, "Upload-Defer-Length": "2", **metadata}, 422, "invalid_input"),
        ("POST", TUS, {**VERSION, "Upload-Length": "-1", **metadata}, 422, "invalid_input"),
        ("POST", TUS, {**VERSION, "Upload-Length": str(101 << 30), **metadata}, 413, "object_too_large"),
        ("POST", TUS, {**VERSION, **length}, 422, "invalid_input"),
        ("POST", TUS, {**VERSION, **length, "Upload-Metadata": "bucket !!,key YQ=="}, 422, "invalid_input"),
        ("POST", TUS, {**VERSION, **length, "Upload-Metadata": "bucket /w==,key YQ=="}, 400, "invalid_object_key"),
        ("POST", TUS, {**VERSION, **length, "Upload-Metadata": "a " + "x" * 9000}, 422, "invalid_input"),
        ("POST", TUS, {**VERSION, **length, "Upload-Metadata": encoded(bucket="no", key="a")}, 404, "bucket_not_found"),
        ("POST", TUS, {**VERSION, **length, **metadata, "X-Bunbase-Key": PUBLISHABLE}, 403, "rule_denied"),
        ("PATCH", path, {**VERSION, **offset}, 415, "unsupported_media_type"),
        ("PATCH", path, CHUNK, 422, "invalid_input"),
        ("PATCH", path, {**CHUNK, "Upload-Offset": "x"}, 422, "invalid_input"),
        ("PATCH", path, {**CHUNK, "Upload-Offset": "1"}, 409, "upload_offset_mismatch"),
        ("PATCH", path, {**CHUNK, **offset, "Upload-Length": "11"}, 422, "invalid_input"),
        ("PATCH", path, {**CHUNK, **offset, "Upload-Checksum": "crc32 AAAA"}, 422, "invalid_input"),
        ("PATCH", path, {**CHUNK, **offset, "Upload-Checksum": "sha1 !"}, 422, "invalid_input"),
        ("PATCH", path, {**CHUNK, **offset, **checksum(b"other")}, 460, "upload_checksum_mismatch"),
        ("PATCH", f"{TUS}/tus-none", {**CHUNK, **offset}, 404, "upload_not_found"),
        ("PATCH", f"{TUS}/{'x' * 5000}", {**CHUNK, **offset}, 404, "upload_not_found"),
    ]
    for method, at, headers, status, code in cases:
        found = await client(method, at, b"0" if method == "PATCH" else None, headers)
        assert (found[0], json.loads(found[2])["code"]) == (status, code), (method, headers)

    assert await offset_of(client, path) == 0
    too_long = await client("PATCH", path, bytes(11), {**CHUNK, **offset})
    assert (too_long[0], json.loads(too_long[2])["limit"]) == (413, 10)
    refused = await sent(client, path, 3, b"3")
    assert refused[1]["upload-offset"] == "0"


async def test_a_connection_that_breaks_keeps_the_bytes_that_have_arrived(client: Client) -> None:
    content = random.Random(1).randbytes(3 << 20)
    path = await begun(client, "broken", len(content))
    offset = 0
    for size in (1, 70_000, 600_000, 1_200_000):
        await asyncio.to_thread(cut, client.address, path, offset, content, size)
        offset += size
        assert await _settled(client, path) == offset
    assert (await sent(client, path, offset, content[offset:]))[0] == 204

    assert (await client("GET", "/v1/storage/objects/files/broken"))[2] == content


def cut(address: tuple[str, int], path: str, offset: int, content: bytes, size: int) -> None:
    """Send the head of a chunk and `size` bytes of it, then close the connection in both directions."""
    head = "".join([f"{name}: {value}\r\n" for name, value in CHUNK.items()])
    left = len(content) - offset
    sent = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nUpload-Offset: {offset}\r\nContent-Length: {left}\r\n{head}\r\n"
    with socket.create_connection(address, 10) as connection:
        connection.sendall(sent.encode() + content[offset : offset + size])


async def _settled(client: Client, path: str) -> int:
    """Return the offset when the chunk that was cut has ended: an empty chunk is then accepted."""
    async with asyncio.timeout(20):
        while True:
            offset = await offset_of(client, path)
            if (await sent(client, path, offset, b""))[0] == 204:
                return await offset_of(client, path)
            await asyncio.sleep(0.01)


async def test_a_second_chunk_waits_for_the_first_and_replaces_a_stalled_one(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await begun(client, "two", 10)
    first = http.client.HTTPConnection(*client.address, timeout=30)
    first.putrequest("PATCH", path)
    for name, value in {**CHUNK, "Upload-Offset": "0", "Content-Length": "10"}.items():
        first.putheader(name, value)
    await asyncio.to_thread(first.endheaders, b"01234")
    async with asyncio.timeout(20):
        while (refused := await sent(client, path, 0, b""))[0] == 204:
            await asyncio.sleep(0.01)
    assert (refused[0], refused[2]["code"]) == (423, "upload_busy")
    assert (await client("DELETE", path, None, VERSION))[0] == 423

    monkeypatch.setattr(resumables, "STALLED_SECONDS", -1.0)
    assert (await sent(client, path, 0, b"9876543210"))[0] == 204
    first.close()

    assert (await client("GET", "/v1/storage/objects/files/two"))[2] == b"9876543210"


async def test_a_chunk_that_is_stored_too_late_is_not_mixed_into_the_bytes_of_its_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, released = bytes(range(20)), asyncio.Event()
    async with opened_storage(tmp_path, FakeKms()) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        upload = (await storage.begin_resumable(SECRET, NewResumable("files", "a", len(content)))).id

        async def begin(offset: int, data: bytes) -> str:
            chunk = await storage.begin_chunk(SECRET, NewChunk(upload, offset))
            await storage.feed_chunk(SECRET, chunk, data)
            return chunk

        first = await begin(0, content[:10])
        part = storage.resumables.chunks[first].part
        assert part is not None
        reached, close = asyncio.Event(), part.writer.close

        async def slow_close() -> None:
            reached.set()
            await released.wait()
            await close()

        monkeypatch.setattr(part.writer, "close", slow_close)
        finishing = asyncio.create_task(storage.finish_chunk(SECRET, first, False))
        await reached.wait()
        monkeypatch.setattr(resumables, "STALLED_SECONDS", -1.0)
        for offset in (0, 3):
            await storage.finish_chunk(SECRET, await begin(offset, content[offset : offset + 3]), True)
        released.set()
        with pytest.raises(UploadOffsetMismatch) as refused:
            await finishing
        last = await storage.finish_chunk(SECRET, await begin(6, content[6:]), True)

        assert (refused.value.extra["offset"], last.finished, await read(storage, "a")) == (6, True, content)


async def test_every_request_that_completes_an_upload_at_the_same_time_learns_that_it_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        for key, condition in (("a", None), ("b", "*")):
            new = NewResumable("files", key, 5, if_none_match=condition)
            upload = (await storage.begin_resumable(SECRET, new)).id
            chunk = await storage.begin_chunk(SECRET, NewChunk(upload, 0))
            await storage.feed_chunk(SECRET, chunk, b"01234")
            with monkeypatch.context() as patched:
                patched.setattr(storage.resumables.completing, "complete", _stops)
                with pytest.raises(StorageBusy):
                    await storage.finish_chunk(SECRET, chunk, True)

            states = await asyncio.gather(*[storage.resumable(SECRET, upload) for _ in range(4)])

            assert [state.finished for state in states] == [True] * 4


async def _stops(*_: object) -> None:
    raise StorageBusy("The server stops.")


async def test_an_upload_that_gets_bytes_outlives_the_age_limit_of_uploads_in_parts(tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now())
    async with opened_storage(tmp_path, FakeKms(), clock) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        upload = (await storage.begin_resumable(SECRET, NewResumable("files", "a", 100))).id
        days = StorageSettings().multipart_seconds // 86_400
        for day in range(days + 2):
            clock.advance(80_000)
            chunk = await storage.begin_chunk(SECRET, NewChunk(upload, day))
            await storage.feed_chunk(SECRET, chunk, b"0")
            await storage.finish_chunk(SECRET, chunk, True)
        clock.advance(10_000)
        await storage.sweeping.sweep_everything()

        assert (await storage.resumable(SECRET, upload)).offset == days + 2


async def test_the_notes_of_finished_uploads_are_limited_and_the_oldest_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "MAX_FINISHED", 3)
    clock = ManualClock(SystemClock().now())
    async with opened_storage(tmp_path, FakeKms(), clock) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        done = []
        for _ in range(5):
            clock.advance(1)
            done.append((await storage.begin_resumable(SECRET, NewResumable("files", "a", 0))).id)

        for id in done[:2]:
            with pytest.raises(UploadNotFound):
                await storage.resumable(SECRET, id)
        assert [(await storage.resumable(SECRET, id)).finished for id in done[2:]] == [True] * 3


async def test_an_upload_expires_a_day_after_its_last_bytes(tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now())
    async with opened_storage(tmp_path, FakeKms(), clock) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        one, other = [await storage.begin_resumable(SECRET, NewResumable("files", key, 10)) for key in "ab"]
        clock.advance(80_000)
        chunk = await storage.begin_chunk(SECRET, NewChunk(one.id, 0))
        await storage.feed_chunk(SECRET, chunk, b"01234")
        await storage.finish_chunk(SECRET, chunk, True)
        clock.advance(10_000)
        with pytest.raises(UploadNotFound):
            await storage.resumable(SECRET, other.id)
        await storage.sweeping.sweep_everything()
        state = await storage.resumable(SECRET, one.id)
        assert (state.offset, state.expires_at - clock.now()) == (5, timedelta(seconds=76_400))
        clock.advance(80_000)
        with pytest.raises(UploadNotFound):
            await storage.resumable(SECRET, one.id)
        assert len(blobs_on_disk(tmp_path)) == 1

        await storage.sweeping.sweep_everything()
        clock.advance(90_000)
        await storage.sweeping.sweep_everything()

        assert blobs_on_disk(tmp_path) == set()


async def test_no_kill_loses_an_answered_chunk_or_stores_one_twice(tmp_path: Path) -> None:
    secret = bytes(32)
    for round in range(KILLS):
        most = random.Random(round).randrange(3, 25)
        lines = await killed("tests.storage.whole.killed_resumer", tmp_path, secret, round, b"at", most)
        async with opened_storage(tmp_path, FakeKms(secret)) as storage:
            uploads = {line.split(" ")[1]: int(line.split(" ")[2]) for line in lines}
            for id, answered in uploads.items():
                state = await storage.resumable(SECRET, id)
                assert state.offset >= answered
                if not state.finished:
                    chunk = await storage.begin_chunk(SECRET, NewChunk(id, state.offset))
                    rest = CONTENT[state.offset :]
                    for at in range(0, len(rest), 1 << 19):
                        await storage.feed_chunk(SECRET, chunk, rest[at : at + (1 << 19)])
                    assert (await storage.finish_chunk(SECRET, chunk, True)).finished
                assert await read(storage, KEY) == CONTENT
