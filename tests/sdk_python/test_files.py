"""Files, through both faces of the client, on a real server."""

from __future__ import annotations

import io
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bunbase_sdk import Conflict, NotFound, Problem
from tests.sdk_js.fault_proxy import serving
from tests.sdk_python.conftest import Connect
from tests.sdk_python.cutting_proxy import CuttingProxy
from tests.sdk_python.site import Site
from tests.storage.images import pictures

KEYS = ("plain.txt", "a b/ü+%?#&~é.txt", "a//b", "/a", "a/", "a/../b", "./x", "%2E", "a+b", "日本/写真.jpg")
WHOLE = bytes(range(256)) * 2000


class Stopped(Exception):
    """The program ends during an upload."""


@pytest.fixture(scope="module")
def bucket(client: Any) -> Any:
    name = f"files-{secrets.token_hex(4)}"
    client.files.buckets.create(name, {"rules": {"get": "object.owner == auth.uid", "create": "auth != null"}})
    return client.files.bucket(name)


def test_a_file_is_stored_with_its_properties_and_read_whole_in_ranges_and_in_pieces(bucket: Any) -> None:
    seen: list[tuple[int, int | None]] = []
    more = {"content_type": "text/x-test", "cache_control": "max-age=60", "metadata": {"title": "Größe 😀"}}
    stored = bucket.upload("whole", WHOLE, on_progress=lambda *values: seen.append(values), **more)
    info = bucket.head("whole")

    assert (stored["size"], stored["metadata"], stored["owner"]) == (len(WHOLE), more["metadata"], None)
    assert (info.size, info.etag, info.content_type) == (len(WHOLE), stored["etag"], "text/x-test")
    assert (info.metadata, "max-age=60" in info.cache_control) == (more["metadata"], True)
    assert bucket.download("whole") == WHOLE
    assert bucket.download("whole", start=65_530, end=65_540) == WHOLE[65_530:65_540]
    assert bucket.download("whole", start=-10) == WHOLE[-10:]
    assert b"".join(bucket.stream("whole", start=100)) == WHOLE[100:]
    assert seen[-1] == (len(WHOLE), len(WHOLE))
    for wrong in ({"start": 5, "end": 5}, {"start": -5, "end": 3}):
        with pytest.raises(Problem, match="end"):
            bucket.download("whole", **wrong)


def test_every_kind_of_content_is_stored_as_its_bytes(bucket: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(WHOLE)
    with path.open("rb") as file:
        file.seek(10)
        bucket.upload("file", file)
    contents = [bytearray(WHOLE), memoryview(WHOLE), io.BytesIO(WHOLE), iter([WHOLE[:7], b"", WHOLE[7:]]), [WHOLE]]
    for number, content in enumerate(contents):
        bucket.upload(f"kind-{number}", content)

    assert bucket.download("file") == WHOLE[10:]
    assert [bucket.download(f"kind-{number}") == WHOLE for number in range(len(contents))] == [True] * len(contents)
    bucket.upload("text", "Hällo")
    assert bucket.download("text").decode() == "Hällo"
    assert bucket.upload("empty", b"")["size"] == 0
    assert (bucket.download("empty"), bucket.download("empty", start=0)) == (b"", b"")
    for wrong in (42, None, ["text"], io.StringIO("text")):
        with pytest.raises(Problem) as refused:
            bucket.upload("wrong", wrong)
        assert refused.value.code == "invalid_value"
    assert bucket.find("wrong") is None


def test_asyncio_uploads_from_an_asynchronous_iterable_and_sync_refuses_it(bucket: Any, request: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield WHOLE[:1000]
        yield WHOLE[1000:]

    if "sync" in request.node.callspec.id:
        with pytest.raises(Problem, match="AsyncClient"):
            bucket.upload("pieces", pieces())
    else:
        bucket.upload("pieces", pieces())
        assert bucket.download("pieces") == WHOLE


def test_every_key_comes_back_as_it_was(bucket: Any) -> None:
    for key in KEYS:
        bucket.upload(f"k/{key}", key)
        assert bucket.download(f"k/{key}").decode() == key
        bucket.copy(f"k/{key}", f"copy/{key}")
        bucket.move(f"copy/{key}", f"moved/{key}")
        bucket.remove(f"moved/{key}")

    assert sorted(file["key"] for file in bucket.all("k/")) == sorted(f"k/{key}" for key in KEYS)
    assert bucket.list("copy/")["items"] == bucket.list("moved/")["items"] == []
    for wrong in (".", "..", "", "a\0", "a\ud800"):
        with pytest.raises(Problem, match="key"):
            bucket.head(wrong)


def test_conditions_protect_the_work_of_others(bucket: Any) -> None:
    first = bucket.upload("once", b"1", if_absent=True)
    second = bucket.upload("once", b"2", if_match=first["etag"])
    refused: list[Callable[[], object]] = [
        lambda: bucket.upload("once", b"3", if_absent=True),
        lambda: bucket.upload("once", b"3", if_match=first["etag"]),
        lambda: bucket.remove("once", if_match=first["etag"]),
        lambda: bucket.copy("once", "once", overwrite=False),
    ]
    for call in refused:
        with pytest.raises(Problem) as problem:
            call()
        assert problem.value.code == "object_changed"

    assert bucket.download("once") == b"2"
    bucket.remove("once", if_match=second["etag"])
    assert bucket.find("once") is None
    with pytest.raises(NotFound) as missing:
        bucket.head("once")
    assert missing.value.code == "object_not_found"


def test_lists_have_folders_and_many_files_are_removed_at_once(bucket: Any) -> None:
    for key in ("f/a", "f/b/1", "f/b/2", "f/c/1"):
        bucket.upload(key, key)
    page = bucket.list("f/", delimiter="/")

    assert ([file["key"] for file in page["items"]], page["prefixes"], page["next"]) == (
        ["f/a"],
        ["f/b/", "f/c/"],
        None,
    )
    assert all(one["deleted"] for one in bucket.remove_many(["f/a", "f/b/1", "never"]))
    with pytest.raises(Problem, match="list"):
        bucket.remove_many("f/a")


def test_buckets_are_created_changed_and_deleted_and_links_work_without_a_key(client: Any) -> None:
    name = f"own-{secrets.token_hex(4)}"
    made = client.files.buckets.create(name, {"mime": ["text/*"]})
    changed = client.files.buckets.update(name, {"max_bytes": 10})
    with pytest.raises(Conflict):
        client.files.buckets.create(name)
    own = client.files.bucket(name)
    link = own.sign("a.txt", method="PUT", content_type="text/plain", max_bytes=5)
    put = httpx.request(link.method, link.url, content=b"hello", headers={"Content-Type": "text/plain"})

    assert (made["mime"], changed["max_bytes"], put.status_code) == (["text/*"], 10, 201)
    assert httpx.get(own.sign("a.txt").url).text == "hello"
    assert name in [bucket["name"] for bucket in client.files.buckets.list()]
    assert client.files.usage()["objects"] >= 1
    with pytest.raises(Conflict, match="objects"):
        client.files.buckets.delete(name)
    own.remove("a.txt")
    client.files.buckets.delete(name)
    with pytest.raises(NotFound):
        client.files.buckets.get(name)


def test_a_variant_of_an_image_has_another_size_and_format(bucket: Any) -> None:
    bucket.upload("rye.png", pictures.png(), content_type="image/png")
    small = bucket.download("rye.png", transform={"width": 32, "format": "webp"})
    streamed = b"".join(bucket.stream("rye.png", transform={"width": 32, "format": "webp"}))
    link = bucket.sign("rye.png", transform={"height": 16, "format": "jpeg"})

    assert (small[8:12], pictures.opened(small).width, streamed) == (b"WEBP", 32, small)
    assert pictures.opened(httpx.get(link.url).content).height == 16
    with pytest.raises(Problem, match="no such option"):
        bucket.download("rye.png", transform={"breadth": 32})


def test_a_user_sees_only_what_the_rules_admit(client: Any, bucket: Any) -> None:
    user = client.users.create(email=f"{secrets.token_hex(4)}@example.com")["id"]
    name = bucket.upload("server", b"1")["bucket"]
    own = client.as_user(user).files.bucket(name)
    stored = own.upload("own", b"2")

    assert (stored["owner"], own.download("own")) == (user, b"2")
    assert own.find("server") is None
    with pytest.raises(Problem) as denied:
        client.as_user(None).files.bucket(name).upload("visitor", b"3")
    assert denied.value.code == "rule_denied"


@pytest.fixture(scope="module")
def cutting(site: Site) -> Iterator[CuttingProxy]:
    with serving(CuttingProxy(site.url)) as proxy:
        yield proxy


def test_a_download_that_breaks_continues_at_the_same_byte(
    connect: Connect, site: Site, bucket: Any, cutting: CuttingProxy
) -> None:
    name = bucket.upload("broken", WHOLE)["bucket"]
    shaky = connect(cutting.url, site.secret).files.bucket(name)
    cutting.after_bytes, cutting.cuts = 200_000, 2

    assert shaky.download("broken") == WHOLE
    assert cutting.cuts == 0


def test_a_large_file_is_sent_in_parts_and_continues_after_lost_connections(
    connect: Connect, site: Site, bucket: Any, cutting: CuttingProxy
) -> None:
    content = secrets.token_bytes(9_000_000)
    name = bucket.upload("x", b"")["bucket"]
    shaky = connect(cutting.url, site.secret).files.bucket(name)
    seen: list[tuple[int, int | None]] = []

    def lose(_upload: str) -> None:
        """Let the server get the next three requests, and lose their answers."""
        cutting.after_bytes, cutting.cuts = 0, 3
        cutting.cut_all()

    more: dict[str, Any] = {"metadata": {"a": "ü"}, "on_progress": lambda *values: seen.append(values)}
    stored = shaky.upload("large", io.BytesIO(content), on_begun=lose, **more)

    assert (stored["size"], stored["metadata"], cutting.cuts) == (len(content), {"a": "ü"}, 0)
    assert bucket.download("large") == content
    assert (seen[0], seen[-1]) == ((0, len(content)), (len(content), len(content)))
    assert [sent for sent, _ in seen] == sorted(sent for sent, _ in seen)


def test_an_upload_of_another_run_continues_where_it_was(connect: Connect, site: Site, bucket: Any) -> None:
    content = secrets.token_bytes(17_000_000)
    begun: list[str] = []
    seen: list[int] = []

    def stop(sent: int, _total: int | None) -> None:
        if sent:
            raise Stopped

    with pytest.raises(Stopped):
        bucket.upload("later", io.BytesIO(content), on_begun=begun.append, on_progress=stop)
    assert bucket.find("later") is None
    again = {"continued": begun[0], "on_progress": lambda sent, _: seen.append(sent)}
    bucket.upload("later", io.BytesIO(content), **again)

    assert bucket.download("later") == content
    assert seen[0] >= 8 << 20
    assert bucket.upload("later", io.BytesIO(content), continued=begun[0])["size"] == len(content)
    with pytest.raises(NotFound) as missing:
        bucket.upload("later", content, continued="tus-none")
    assert missing.value.code == "upload_not_found"


def test_a_large_iterable_without_a_known_size_is_stored(bucket: Any) -> None:
    totals: list[int | None] = []
    pieces = [WHOLE] * 20
    stored = bucket.upload("pieces", iter(pieces), on_progress=lambda _, total: totals.append(total))

    assert stored["size"] == len(WHOLE) * 20
    assert totals[0] is None
    assert bucket.download("pieces") == b"".join(pieces)
    with pytest.raises(Problem) as refused:
        bucket.upload("pieces", iter(pieces), if_absent=True)
    assert refused.value.code == "object_changed"
