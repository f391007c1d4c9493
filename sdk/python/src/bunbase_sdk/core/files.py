"""Files: buckets, their objects, and signed links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, cast

from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.file_download import collected, streamed
from bunbase_sdk.core.file_parts import Parts
from bunbase_sdk.core.file_requests import conditions, file_path, info_of, properties, variant_query
from bunbase_sdk.core.flow import Emit, Flow, Items, Maybe, Source, ask
from bunbase_sdk.core.resumable import NewUpload, Sending, metadata_text
from bunbase_sdk.core.transport import NOTHING, Transport, Wanted, path, search, without_none
from bunbase_sdk.file_values import FileInfo, ImageTransform, Readable, SignedLink
from bunbase_sdk.models import BucketChanges, BucketInfo, DeletedObject, ObjectPage, StorageUsage, StoredFile
from bunbase_sdk.problem import Problem, invalid_value

BUCKETS: Final = "/v1/storage/buckets"
SLOWEST_BYTES: Final = 32_000  # in addition to the timeout, an upload has a second for this many bytes
PAGE: Final = 500


class FilesCalls:
    """The files of the project, in buckets."""

    def __init__(self, transport: Transport, actor: Mapping[str, str]) -> None:
        self._transport = transport
        self._actor = actor

    @property
    def buckets(self) -> BucketsCalls:
        """The buckets of the project, with their settings."""
        return BucketsCalls(self._transport)

    def bucket(self, name: str) -> BucketCalls:
        """Return a bucket. This sends no request.

        ```python
        photos = client.files.bucket("photos")
        ```
        """
        path(name)
        return BucketCalls(name, self._transport, self._actor)

    def usage(self, *, timeout: float | None = None) -> Flow[StorageUsage]:
        """Return the number and the bytes of all files of the project, and the limits.

        ```python
        usage = client.files.usage()
        print(usage["bytes"], usage["max_bytes"])
        ```
        """
        wanted = Wanted("GET", "/v1/storage/usage", repeatable=True)
        return self._transport.json(wanted, self._transport.deadline(timeout))


class BucketsCalls:
    """The buckets of the project, with their settings."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, timeout: float | None = None) -> Items[BucketInfo]:
        """Yield all buckets, by name.

        ```python
        for bucket in client.files.buckets.list():
            print(bucket["name"], bucket["public"])
        ```
        """
        answer = yield from self._json("GET", "", timeout, repeatable=True)
        for item in answer["items"]:
            yield Emit(item)

    def get(self, name: str, *, timeout: float | None = None) -> Flow[BucketInfo]:
        """Return a bucket. Raises: NotFound.

        ```python
        rules = client.files.buckets.get("photos")["rules"]
        ```
        """
        return self._json("GET", path(name), timeout, repeatable=True)

    def create(self, name: str, spec: BucketChanges | None = None, *, timeout: float | None = None) -> Flow[BucketInfo]:
        """Create a bucket. Raises: Conflict.

        ```python
        client.files.buckets.create("photos", {"mime": ["image/*"], "rules": {"get": "object.owner == auth.uid"}})
        ```
        """
        return self._json("POST", "", timeout, {**(spec or {}), "name": name})

    def update(self, name: str, changes: BucketChanges, *, timeout: float | None = None) -> Flow[BucketInfo]:
        """Change the given settings; `rules` are replaced together. Raises: NotFound.

        ```python
        client.files.buckets.update("photos", {"max_bytes": 10_000_000})
        ```
        """
        return self._json("PATCH", path(name), timeout, changes, repeatable=True)

    def delete(self, name: str, *, timeout: float | None = None) -> Flow[None]:
        """Delete an empty bucket. Its signed links end. Raises: NotFound, Conflict.

        ```python
        client.files.buckets.delete("photos")
        ```
        """
        return self._json("DELETE", path(name), timeout)

    def _json(
        self, method: str, below: str, timeout: float | None, body: object = NOTHING, repeatable: bool = False
    ) -> Flow[Any]:
        wanted = Wanted(method, BUCKETS + below, body, repeatable=repeatable)
        return self._transport.json(wanted, self._transport.deadline(timeout))


class BucketCalls:
    """The files of one bucket."""

    def __init__(self, name: str, transport: Transport, actor: Mapping[str, str]) -> None:
        self._name = name
        self._transport = transport
        self._actor = actor

    def upload(
        self,
        key: str,
        content: bytes | bytearray | memoryview | str | Readable | Source[bytes],
        *,
        content_type: str | None = None,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        on_progress: Callable[[int, int | None], Maybe[object]] | None = None,
        on_begun: Callable[[str], Maybe[object]] | None = None,
        continued: str | None = None,
        timeout: float | None = None,
    ) -> Flow[StoredFile]:
        """Store a file, and replace a file with the same key. When the call returns, the file is on the server's disk.

        `content`: bytes, a text, an open file, or an iterable of bytes. The client keeps about 8 MiB of it in memory.
        More than 8 MiB are sent in parts, and the upload continues after a lost connection. `on_begun`: called with the
        id of such an upload. `continued`: the id of an upload that another run of your program has begun within a day;
        pass the same content from its beginning.
        `if_absent`: upload only if the key has no file yet. `if_match`: upload only if the file still has this `etag`.
        `on_progress`: called with the bytes that were sent, and the size of the file or None. `timeout`: the timeout of
        each request. Raises: Problem `object_changed`, if a condition does not hold.

        ```python
        with open("rye.jpg", "rb") as file:
            client.files.bucket("photos").upload("rye.jpg", file, content_type="image/jpeg")
        ```
        """
        where = file_path(self._name, key)
        headers = {**properties(content_type, cache_control, metadata), **conditions(if_match, if_absent)}
        parts = Parts(content)
        first = yield from parts.next()
        if continued is not None or not parts.ended:
            values = {"content_type": content_type, "cache_control": cache_control, "metadata": metadata_text(metadata)}
            new = NewUpload(
                self._name,
                key,
                values,
                conditions(if_match, if_absent),
                self._actor,
                lambda size: self._patient(timeout, size),
                on_progress,
                on_begun,
            )
            return (yield from Sending(self._transport, new, parts).run(continued, first))
        within = self._patient(timeout, len(first))
        # after a lost answer, the condition of a second attempt would fail because of the first
        repeatable = not if_absent and if_match is None
        wanted = Wanted("PUT", where, content=first, headers={**headers, **self._actor}, repeatable=repeatable)
        stored = cast("StoredFile", (yield from self._transport.json(wanted, within)))
        if on_progress is not None:
            yield from ask(on_progress, len(first), len(first))
        return stored

    def download(
        self,
        key: str,
        *,
        start: int = 0,
        end: int | None = None,
        transform: ImageTransform | None = None,
        timeout: float | None = None,
    ) -> Flow[bytes]:
        """Return the bytes of a file, or the bytes from `start` to before `end`. Raises: NotFound.

        `transform`: return a variant of an image instead of the file.

        ```python
        content = client.files.bucket("photos").download("rye.jpg")
        beginning = client.files.bucket("photos").download("rye.jpg", end=1024)
        small = client.files.bucket("photos").download("rye.jpg", transform={"width": 400, "format": "webp"})
        ```
        """
        items = streamed(self._transport, self._actor, (self._name, key), (start, end), transform, timeout)
        return b"".join((yield from collected(items)))

    def stream(
        self,
        key: str,
        *,
        start: int = 0,
        end: int | None = None,
        transform: ImageTransform | None = None,
        timeout: float | None = None,
    ) -> Items[bytes]:
        """Yield the bytes of a file in pieces. If the connection breaks, the client continues at the same byte.

        `transform`: yield a variant of an image instead of the file. `timeout`: the timeout for each piece.
        Raises: NotFound; Problem `object_changed`, if the file was replaced meanwhile.

        ```python
        with open("rye.jpg", "wb") as file:
            for piece in client.files.bucket("photos").stream("rye.jpg"):
                file.write(piece)
        ```
        """
        return streamed(self._transport, self._actor, (self._name, key), (start, end), transform, timeout)

    def head(self, key: str, *, timeout: float | None = None) -> Flow[FileInfo]:
        """Return the properties of a file without its content. Raises: NotFound.

        ```python
        info = client.files.bucket("photos").head("rye.jpg")
        print(info.size, info.metadata)
        ```
        """
        within = self._transport.deadline(timeout)
        wanted = self._wanted("HEAD", key, repeatable=True)
        try:
            answer = yield from self._transport.answered(wanted, within)
        except Problem as problem:
            if problem.code != "unexpected_answer":
                raise
            # the answer to HEAD has no body, and so no code: the answer to GET has one
            answer = yield from self._transport.answered(self._wanted("GET", key, repeatable=True), within, stream=True)
        return info_of(self._name, key, answer)

    def find(self, key: str, *, timeout: float | None = None) -> Flow[FileInfo | None]:
        """Return the properties of a file, or None if there is no such file.

        ```python
        info = client.files.bucket("photos").find("rye.jpg")
        ```
        """
        try:
            return (yield from self.head(key, timeout=timeout))
        except Problem as problem:
            if problem.code != "object_not_found":
                raise
            return None

    def list(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        limit: int = 100,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Flow[ObjectPage]:
        """Return one page of files, in the order of the bytes of their keys: `items`, `prefixes` and `next`.

        `delimiter`: group the keys that have this text after the prefix, as `/` does for folders.

        ```python
        page = client.files.bucket("photos").list("2026/", delimiter="/")
        folders = page["prefixes"]
        ```
        """
        values = {"prefix": prefix or None, "delimiter": delimiter or None, "limit": limit, "cursor": cursor}
        where = f"/v1/storage/list{path(self._name)}{search(values)}"
        wanted = Wanted("GET", where, headers=self._actor, repeatable=True)
        return self._transport.json(wanted, self._transport.deadline(timeout))

    def all(self, prefix: str = "", *, timeout: float | None = None) -> Items[StoredFile]:
        """Yield all files whose keys begin with `prefix`. `timeout`: the timeout for each page.

        ```python
        for file in client.files.bucket("photos").all("2026/"):
            print(file["key"], file["size"])
        ```
        """
        cursor: str | None = None
        while True:
            page = yield from self.list(prefix, limit=PAGE, cursor=cursor, timeout=timeout)
            for item in page["items"]:
                yield Emit(item)
            cursor = page["next"]
            if cursor is None:
                return

    def remove(self, key: str, *, if_match: str | None = None, timeout: float | None = None) -> Flow[None]:
        """Remove a file. Raises: NotFound; Problem `object_changed`, if it no longer has the `etag` of `if_match`.

        ```python
        client.files.bucket("photos").remove("rye.jpg")
        ```
        """
        wanted = self._wanted("DELETE", key, conditions(if_match))
        return self._transport.json(wanted, self._transport.deadline(timeout))

    def remove_many(self, keys: Sequence[str], *, timeout: float | None = None) -> Flow[Sequence[DeletedObject]]:
        """Remove up to 1,000 files, and return the result of each key. A missing file counts as removed.

        ```python
        client.files.bucket("photos").remove_many(["a.jpg", "b.jpg"])
        ```
        """
        if isinstance(keys, str):
            raise invalid_value("keys", "Pass a list of keys.")
        body = {"bucket": self._name, "keys": list(keys)}
        wanted = Wanted("POST", "/v1/storage/delete", body, headers=self._actor, repeatable=True)
        answer = yield from self._transport.json(wanted, self._transport.deadline(timeout))
        return cast("Sequence[DeletedObject]", answer["items"])

    def copy(
        self,
        source: str,
        target: str,
        *,
        bucket: str | None = None,
        overwrite: bool = True,
        content_type: str | None = None,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Flow[StoredFile]:
        """Copy a file. The server copies no bytes, so a copy of a large file is as fast as that of a small file.

        `bucket`: the bucket of the target, by default this bucket. `overwrite`: False to refuse a target that exists.

        ```python
        client.files.bucket("photos").copy("rye.jpg", "covers/rye.jpg")
        ```
        """
        more = without_none(content_type=content_type, cache_control=cache_control, metadata=metadata)
        return self._copied("copy", source, (bucket, target), {**more, "overwrite": overwrite}, timeout)

    def move(
        self,
        source: str,
        target: str,
        *,
        bucket: str | None = None,
        overwrite: bool = True,
        timeout: float | None = None,
    ) -> Flow[StoredFile]:
        """Move a file to another key, or to another bucket. Parameters: as for `copy`.

        ```python
        client.files.bucket("photos").move("rye.jpg", "2026/rye.jpg", bucket="archive")
        ```
        """
        return self._copied("move", source, (bucket, target), {"overwrite": overwrite}, timeout)

    def sign(
        self,
        key: str,
        *,
        method: Literal["GET", "PUT"] = "GET",
        expires_in: int = 3600,
        content_type: str | None = None,
        max_bytes: int | None = None,
        transform: ImageTransform | None = None,
        timeout: float | None = None,
    ) -> Flow[SignedLink]:
        """Make a link to one file, for a download or an upload (PUT) without a key. You cannot take a link back.

        `expires_in`: in seconds, at most 7 days. `content_type`, `max_bytes`: only for uploads, which must have them.
        `transform`: link to a variant of an image.

        ```python
        link = client.files.bucket("photos").sign("rye.jpg", expires_in=600)
        print(link.url)
        ```
        """
        more = without_none(content_type=content_type, max_bytes=max_bytes)
        body = {"bucket": self._name, "key": key, "method": method, "expires_in": expires_in, **more}
        wanted = Wanted("POST", "/v1/storage/sign", body, headers=self._actor, repeatable=True)
        found = yield from self._transport.json(wanted, self._transport.deadline(timeout))
        url = self._transport.url + found["path"] + variant_query(transform).replace("?", "&", 1)
        return SignedLink(url, found["method"], found["expires_at"])

    def _copied(
        self, verb: str, source: str, to: tuple[str | None, str], more: dict[str, object], timeout: float | None
    ) -> Flow[StoredFile]:
        target = {"bucket": to[0] or self._name, "key": to[1]}
        body = {"from": {"bucket": self._name, "key": source}, "to": target, **more}
        # a move that has succeeded finds no source the second time
        repeatable = verb == "copy" and more["overwrite"] is True
        wanted = Wanted("POST", f"/v1/storage/{verb}", body, headers=self._actor, repeatable=repeatable)
        return self._transport.json(wanted, self._transport.deadline(timeout))

    def _wanted(
        self, method: str, key: str, headers: Mapping[str, str] | None = None, repeatable: bool = False
    ) -> Wanted:
        known = {**(headers or {}), **self._actor}
        return Wanted(method, file_path(self._name, key), headers=known, repeatable=repeatable)

    def _patient(self, timeout: float | None, size: int) -> Deadline:
        """Return the deadline of a request that sends `size` bytes."""
        return self._transport.deadline(self._transport.timeout + size / SLOWEST_BYTES if timeout is None else timeout)
