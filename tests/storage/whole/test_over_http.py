"""Files through the real gateway and a socket: keys as they are sent, ranges, disguised files, limits and links."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.pkg import metrics
from bunbase.pkg.modules import Rooms
from bunbase.storage.module import MODULE
from bunbase.storage.service import StorageService
from bunbase.storage.settings import StorageSettings
from tests.fakes import FakeKms
from tests.gateway.lanes import Served, served
from tests.gateway.others import BAKERY, PUBLISHABLE, READERS, SERVERS
from tests.rooms import opened, site
from tests.storage.keys import KEYS

OBJECTS = "/v1/storage/objects/files/"
WITH_KEY = {"X-Bunbase-Key": SERVERS}
TYPED = {**WITH_KEY, "Content-Type": "a/b"}
PAGES = (
    ("a.html", "text/html", b"<script>alert(1)</script>"),
    ("a.svg", "image/svg+xml", b"<svg onload=alert(1)>"),
    ("a.xml", "application/xml", b"<?xml-stylesheet href='x'?>"),
    ("a.xht", "application/xhtml+xml", b"<html xmlns='http://www.w3.org/1999/xhtml'>"),
    ("a.js", "text/javascript", b"alert(1)"),
    ("a.png", "image/png; charset=x", b"<html>"),
    ("a.png.", "", b"<html>"),
    ("a", "text/html\t", b"<html>"),
    ("b", "TEXT/HTML", b"<html>"),
    ("c", "text/plain", b"<html>"),
    ("d", "application/pdf", b"%PDF-"),
    ("e", "multipart/x-mixed-replace", b"<html>"),
)


class Client:
    """Sends paths exactly as they are given."""

    def __init__(self, served: Served) -> None:
        self.address = served.address

    async def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        sent = WITH_KEY if headers is None else headers
        if isinstance(body, dict):
            body, sent = json.dumps(body), {**sent, "Content-Type": "application/json"}
        return await asyncio.to_thread(self._ask, method, path, body, sent)

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            connection.request(method, path, body, headers, encode_chunked=hasattr(body, "__next__"))
            answer = connection.getresponse()
            found = answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, found
        finally:
            connection.close()


@pytest.fixture(scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Client, StorageService, Path]]:
    directory = tmp_path_factory.mktemp("files")
    rooms = Rooms({Kms: FakeKms(), Bundoc: None})
    settings = StorageSettings(min_free_mib=0)
    opening = opened(MODULE, rooms, site(directory), settings=settings)
    async with opening as storage, served(directory, storage=storage) as at:
        client = Client(at)
        assert (await client("POST", "/v1/storage/buckets", {"name": "files"}))[0] == 201
        yield client, storage, directory


@pytest.fixture
def client(room: tuple[Client, StorageService, Path]) -> Client:
    return room[0]


async def test_every_key_in_a_path_is_itself(client: Client) -> None:
    bucket = "/v1/storage/objects/keys/"
    assert (await client("POST", "/v1/storage/buckets", {"name": "keys"}))[0] == 201
    for key in KEYS:
        for path in (quote(key, safe=""), quote(key, safe="/+:@!$&'()*,;=~-._")):
            status, headers, body = await client("PUT", bucket + path, key.encode(), TYPED)
            assert status in (200, 201), (key, path, body)
            assert json.loads(body)["key"] == key
            assert headers["etag"] == f'"{hashlib.md5(key.encode()).hexdigest()}"'
            status, _, body = await client("GET", bucket + path)
            assert (status, body) == (200, key.encode()), (key, path)

    status, _, body = await client("GET", "/v1/storage/list/keys?limit=500")
    assert [one["key"] for one in json.loads(body)["items"]] == sorted(KEYS, key=str.encode)
    copied = KEYS[::7]
    for key in copied:
        to = {"bucket": "keys", "key": f"copy {key}"}
        assert (await client("POST", "/v1/storage/copy", {"from": {"bucket": "keys", "key": key}, "to": to}))[0] == 201
        assert (await client("GET", bucket + quote(to["key"], safe="")))[2] == key.encode()
    for key in KEYS[::2]:
        assert (await client("DELETE", bucket + quote(key, safe="")))[0] == 204
    sent = [*KEYS[1::2], *[f"copy {key}" for key in copied]]
    status, _, body = await client("POST", "/v1/storage/delete", {"bucket": "keys", "keys": sent})
    assert all(one["deleted"] for one in json.loads(body)["items"])
    assert json.loads((await client("GET", "/v1/storage/list/keys"))[2])["items"] == []


@pytest.mark.parametrize("path", ["%FF", "a%00b", "x" * 1025, "%ED%A0%80"])
async def test_other_paths_are_no_keys(client: Client, path: str) -> None:
    status, _, body = await client("PUT", OBJECTS + path, b"x")

    assert (status, json.loads(body)["code"]) == (400, "invalid_object_key")


async def test_an_empty_key_names_no_object(client: Client) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert (await client(method, "/v1/storage/objects/files/"))[0] == 404
        assert (await client(method, "/v1/storage/objects/files"))[0] == 404


async def test_an_upload_and_its_headers(client: Client) -> None:
    content = os.urandom(1_500_000)
    sent = {
        **WITH_KEY,
        "Content-Type": "text/css",
        "Cache-Control": "max-age=5",
        "X-Bunbase-Metadata": '{"name":"\\u00e9"}',
    }

    status, headers, body = await client("PUT", OBJECTS + "style.css", content, sent)

    assert status == 201
    written = json.loads(body)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", written["created_at"])
    assert (written["size"], written["metadata"], written["content_type"]) == (1_500_000, {"name": "é"}, "text/css")
    status, headers, body = await client("GET", OBJECTS + "style.css")
    assert (status, body) == (200, content)
    assert headers["content-type"] == "text/css"
    assert headers["content-length"] == "1500000"
    assert headers["cache-control"] == "private, max-age=5"
    assert headers["x-bunbase-metadata"] == '{"name":"\\u00e9"}'
    assert "x-bunbase-key" in headers["vary"].lower()
    status, head, body = await client("HEAD", OBJECTS + "style.css")
    assert (status, body) == (200, b"")
    changing = ("date", "x-request-id", "server-timing")
    assert {k: v for k, v in head.items() if k not in changing} == {
        k: v for k, v in headers.items() if k not in changing
    }
    for wanted in ("bytes=0-1", "bytes=70000-200000", "bytes=-1"):
        status, part, body = await client("GET", OBJECTS + "style.css", headers={**WITH_KEY, "Range": wanted})
        assert status == 206
        start, end = part["content-range"].removeprefix("bytes ").partition("/")[0].split("-")
        assert body == content[int(start) : int(end) + 1]
        assert part["etag"] == headers["etag"]
        assert part["x-bunbase-metadata"] == headers["x-bunbase-metadata"]
    status, part, _ = await client("GET", OBJECTS + "style.css", headers={**WITH_KEY, "Range": "bytes=1500000-"})
    assert (status, part["content-range"]) == (416, "bytes */1500000")
    known = {**WITH_KEY, "If-None-Match": headers["etag"]}
    status, same, body = await client("GET", OBJECTS + "style.css", headers=known)
    assert (status, body, same["etag"]) == (304, b"", headers["etag"])
    status, _, body = await client("PUT", OBJECTS + "style.css", b"x", {**WITH_KEY, "If-None-Match": "*"})
    assert (status, json.loads(body)["code"]) == (412, "object_changed")
    status, *_ = await client("PUT", OBJECTS + "style.css", b"", {**WITH_KEY, "If-Match": headers["etag"]})
    assert status == 200


async def test_a_delete_obeys_all_conditions(client: Client) -> None:
    headers = (await client("PUT", OBJECTS + "kept", b"x"))[1]
    path, past = OBJECTS + "kept", "Mon, 01 Jan 2001 00:00:00 GMT"

    for sent in ({"If-Unmodified-Since": past}, {"If-None-Match": "*"}, {"If-Match": '"other"'}):
        status, _, body = await client("DELETE", path, headers={**WITH_KEY, **sent})
        assert (status, json.loads(body)["code"]) == (412, "object_changed")
    since = (await client("HEAD", path))[1]["last-modified"]
    sent = {"If-Unmodified-Since": since, "If-Match": headers["etag"]}
    assert (await client("DELETE", path, headers={**WITH_KEY, **sent}))[0] == 204


async def test_head_has_no_range_and_decrypts_nothing(client: Client) -> None:
    await client("PUT", OBJECTS + "ten", b"0123456789")
    decrypted = metrics.storage_bytes.labels("out")._value.get()

    status, headers, _ = await client("HEAD", OBJECTS + "ten", headers={**WITH_KEY, "Range": "bytes=0-1"})

    assert (status, headers["content-length"]) == (200, "10")
    assert metrics.storage_bytes.labels("out")._value.get() == decrypted


async def test_a_chunked_upload_needs_no_length_and_obeys_the_limit(client: Client) -> None:
    assert (await client("POST", "/v1/storage/buckets", {"name": "small", "max_bytes": 100_000}))[0] == 201
    path = "/v1/storage/objects/small/a"

    status, *_ = await client("PUT", path, iter([b"x" * 30_000] * 3), {**WITH_KEY, "Transfer-Encoding": "chunked"})
    assert status == 201
    for body, headers in (
        (iter([b"x" * 30_000] * 4), {**WITH_KEY, "Transfer-Encoding": "chunked"}),
        (b"x" * 100_001, WITH_KEY),
    ):
        status, _, answer = await client("PUT", path, body, headers)
        assert (status, json.loads(answer)["code"]) == (413, "object_too_large")
    assert len((await client("GET", path))[2]) == 90_000


@pytest.mark.parametrize(("key", "content_type", "content"), PAGES)
async def test_no_disguise_makes_an_object_a_page_of_this_server(
    client: Client, key: str, content_type: str, content: bytes
) -> None:
    status, *_ = await client("PUT", OBJECTS + key, content, {**WITH_KEY, "Content-Type": content_type})
    assert status in (200, 201)

    _, headers, body = await client("GET", OBJECTS + key)

    assert body == content
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    shown = headers["content-disposition"].startswith("inline")
    assert shown == headers["content-type"].startswith("image/png")


async def test_a_link_and_a_public_bucket_need_no_key(client: Client) -> None:
    await client("PUT", OBJECTS + "linked", b"linked")
    assert (await client("POST", "/v1/storage/buckets", {"name": "open", "public": True}))[0] == 201
    await client("PUT", "/v1/storage/objects/open/a%2Fb", b"open")

    status, _, body = await client("POST", "/v1/storage/sign", {"bucket": "files", "key": "linked", "expires_in": 60})
    link = json.loads(body)
    status, headers, body = await client("GET", link["path"], headers={})
    assert (status, body) == (200, b"linked")
    assert headers["cache-control"].startswith("private, max-age=")
    status, headers, body = await client("GET", f"/v1/storage/objects/open/a/b?project={BAKERY}", headers={})
    assert (status, body, headers["cache-control"]) == (200, b"open", "public, no-cache")
    for path, code in (
        (link["path"] + "x", "invalid_link"),
        (f"{OBJECTS}linked?project={BAKERY}", "rule_denied"),
        (f"{OBJECTS}linked", "unauthenticated"),
        (f"/v1/storage/objects/open/c?project={BAKERY}", "object_not_found"),
        (f"/v1/storage/objects/nothing/c?project={BAKERY}", "rule_denied"),
    ):
        _, _, body = await client("GET", path, headers={})
        assert json.loads(body)["code"] == code
    status, _, body = await client("POST", "/v1/storage/sign", {"bucket": "files", "key": "new", "method": "PUT"})
    assert (await client("PUT", json.loads(body)["path"], b"by link", headers={}))[0] == 201
    assert (await client("GET", OBJECTS + "new"))[2] == b"by link"


async def test_a_public_key_has_no_access_without_rules_and_a_scope_none_without_files(client: Client) -> None:
    await client("PUT", OBJECTS + "private", b"x")

    for key, code in ((PUBLISHABLE, "rule_denied"), (READERS, "insufficient_scope")):
        for method, path, body in (
            ("GET", OBJECTS + "private", None),
            ("PUT", OBJECTS + "private", b"y"),
            ("DELETE", OBJECTS + "private", None),
            ("GET", "/v1/storage/list/files", None),
        ):
            status, _, answer = await client(method, path, body, {"X-Bunbase-Key": key})
            assert (status, json.loads(answer)["code"]) == (403, code)
    assert (await client("GET", OBJECTS + "private"))[2] == b"x"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-Bunbase-Metadata": "{"}, "invalid_input"),
        ({"X-Bunbase-Metadata": '{"a":1}'}, "invalid_input"),
        ({"X-Bunbase-Metadata": json.dumps({"a": "x" * 3000})}, "invalid_input"),
        ({"Content-MD5": "abc"}, "invalid_input"),
        ({"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "content_digest_mismatch"),
        ({"Content-Range": "bytes 0-0/10"}, "invalid_input"),
        ({"Content-Type": "x" * 201}, "invalid_input"),
        ({"Cache-Control": "x" * 201}, "invalid_input"),
    ],
)
async def test_a_wrong_header_is_named(client: Client, headers: dict[str, str], code: str) -> None:
    status, _, body = await client("PUT", OBJECTS + "wrong", b"x", {**WITH_KEY, **headers})

    assert (status, json.loads(body)["code"]) == (422, code)
    assert (await client("GET", OBJECTS + "wrong"))[0] == 404


async def test_a_damaged_object_is_an_error_and_no_broken_download(
    room: tuple[Client, StorageService, Path],
) -> None:
    client, _, directory = room
    assert (await client("POST", "/v1/storage/buckets", {"name": "hurt"}))[0] == 201
    before = {path for path in (directory / "storage" / "blobs").rglob("*") if path.is_file()}
    await client("PUT", "/v1/storage/objects/hurt/a", os.urandom(200_000))
    (blob,) = {path for path in (directory / "storage" / "blobs").rglob("*") if path.is_file()} - before

    content = bytearray(blob.read_bytes())
    content[150] ^= 1
    blob.write_bytes(content)
    status, _, body = await client("GET", "/v1/storage/objects/hurt/a")
    assert (status, json.loads(body)["code"]) == (500, "object_damaged")
    whole = {**WITH_KEY, "Range": "bytes=70000-70010"}  # The range is in a chunk that is not damaged.
    assert (await client("GET", "/v1/storage/objects/hurt/a", headers=whole))[0] == 206
    blob.unlink()
    status, _, body = await client("GET", "/v1/storage/objects/hurt/a")
    assert (status, json.loads(body)["code"]) == (500, "object_damaged")


async def test_a_client_that_leaves_amid_an_upload_leaves_nothing(room: tuple[Client, StorageService, Path]) -> None:
    client, storage, _ = room
    reader, writer = await asyncio.open_connection(*client.address)
    head = f"PUT {OBJECTS}half HTTP/1.1\r\nHost: x\r\nX-Bunbase-Key: {SERVERS}\r\nContent-Length: 1000000\r\n\r\n"
    writer.write(head.encode() + bytes(600_000))
    await writer.drain()
    async with asyncio.timeout(10):
        while not any(one.size for one in storage.uploads.running.values()):
            await asyncio.sleep(0.01)

    writer.close()

    async with asyncio.timeout(10):
        while storage.uploads.running:
            await asyncio.sleep(0.01)
    assert (await client("GET", OBJECTS + "half"))[0] == 404
    del reader
