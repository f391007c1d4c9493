"""Files: buckets, their objects, and signed links.

Written by `make gen` from core/files.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from bunbase_sdk.core import files as core
from bunbase_sdk.file_values import FileInfo, ImageTransform, Readable, SignedLink
from bunbase_sdk.models import BucketChanges, BucketInfo, DeletedObject, ObjectPage, StorageUsage, StoredFile
from bunbase_sdk.sync.driver import Driver


class Files:
    """The files of the project, in buckets."""

    def __init__(self, calls: core.FilesCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    @property
    def buckets(self) -> Buckets:
        """The buckets of the project, with their settings."""
        return Buckets(self._calls.buckets, self._driver)

    def bucket(self, name: str) -> Bucket:
        """Return a bucket. This sends no request.

        ```python
        photos = client.files.bucket("photos")
        ```
        """
        return Bucket(self._calls.bucket(name), self._driver)

    def usage(self, *, timeout: float | None = None) -> StorageUsage:
        """Return the number and the bytes of all files of the project, and the limits.

        ```python
        usage = client.files.usage()
        print(usage["bytes"], usage["max_bytes"])
        ```
        """
        return self._driver.run(self._calls.usage(timeout=timeout))


class Buckets:
    """The buckets of the project, with their settings."""

    def __init__(self, calls: core.BucketsCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    def list(self, *, timeout: float | None = None) -> Iterator[BucketInfo]:
        """Yield all buckets, by name.

        ```python
        for bucket in client.files.buckets.list():
            print(bucket["name"], bucket["public"])
        ```
        """
        return self._driver.items(self._calls.list(timeout=timeout))

    def get(self, name: str, *, timeout: float | None = None) -> BucketInfo:
        """Return a bucket. Raises: NotFound.

        ```python
        rules = client.files.buckets.get("photos")["rules"]
        ```
        """
        return self._driver.run(self._calls.get(name, timeout=timeout))

    def create(self, name: str, spec: BucketChanges | None = None, *, timeout: float | None = None) -> BucketInfo:
        """Create a bucket. Raises: Conflict.

        ```python
        client.files.buckets.create("photos", {"mime": ["image/*"], "rules": {"get": "object.owner == auth.uid"}})
        ```
        """
        return self._driver.run(self._calls.create(name, spec, timeout=timeout))

    def update(self, name: str, changes: BucketChanges, *, timeout: float | None = None) -> BucketInfo:
        """Change the given settings; `rules` are replaced together. Raises: NotFound.

        ```python
        client.files.buckets.update("photos", {"max_bytes": 10_000_000})
        ```
        """
        return self._driver.run(self._calls.update(name, changes, timeout=timeout))

    def delete(self, name: str, *, timeout: float | None = None) -> None:
        """Delete an empty bucket. Its signed links end. Raises: NotFound, Conflict.

        ```python
        client.files.buckets.delete("photos")
        ```
        """
        self._driver.run(self._calls.delete(name, timeout=timeout))


class Bucket:
    """The files of one bucket."""

    def __init__(self, calls: core.BucketCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    def upload(
        self,
        key: str,
        content: bytes | bytearray | memoryview | str | Readable | Iterable[bytes],
        *,
        content_type: str | None = None,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
        on_begun: Callable[[str], object] | None = None,
        continued: str | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
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
        return self._driver.run(
            self._calls.upload(
                key,
                content,
                content_type=content_type,
                cache_control=cache_control,
                metadata=metadata,
                if_absent=if_absent,
                if_match=if_match,
                on_progress=on_progress,
                on_begun=on_begun,
                continued=continued,
                timeout=timeout,
            )
        )

    def download(
        self,
        key: str,
        *,
        start: int = 0,
        end: int | None = None,
        transform: ImageTransform | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Return the bytes of a file, or the bytes from `start` to before `end`. Raises: NotFound.

        `transform`: return a variant of an image instead of the file.

        ```python
        content = client.files.bucket("photos").download("rye.jpg")
        beginning = client.files.bucket("photos").download("rye.jpg", end=1024)
        small = client.files.bucket("photos").download("rye.jpg", transform={"width": 400, "format": "webp"})
        ```
        """
        return self._driver.run(self._calls.download(key, start=start, end=end, transform=transform, timeout=timeout))

    def stream(
        self,
        key: str,
        *,
        start: int = 0,
        end: int | None = None,
        transform: ImageTransform | None = None,
        timeout: float | None = None,
    ) -> Iterator[bytes]:
        """Yield the bytes of a file in pieces. If the connection breaks, the client continues at the same byte.

        `transform`: yield a variant of an image instead of the file. `timeout`: the timeout for each piece.
        Raises: NotFound; Problem `object_changed`, if the file was replaced meanwhile.

        ```python
        with open("rye.jpg", "wb") as file:
            for piece in client.files.bucket("photos").stream("rye.jpg"):
                file.write(piece)
        ```
        """
        return self._driver.items(self._calls.stream(key, start=start, end=end, transform=transform, timeout=timeout))

    def head(self, key: str, *, timeout: float | None = None) -> FileInfo:
        """Return the properties of a file without its content. Raises: NotFound.

        ```python
        info = client.files.bucket("photos").head("rye.jpg")
        print(info.size, info.metadata)
        ```
        """
        return self._driver.run(self._calls.head(key, timeout=timeout))

    def find(self, key: str, *, timeout: float | None = None) -> FileInfo | None:
        """Return the properties of a file, or None if there is no such file.

        ```python
        info = client.files.bucket("photos").find("rye.jpg")
        ```
        """
        return self._driver.run(self._calls.find(key, timeout=timeout))

    def list(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        limit: int = 100,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> ObjectPage:
        """Return one page of files, in the order of the bytes of their keys: `items`, `prefixes` and `next`.

        `delimiter`: group the keys that have this text after the prefix, as `/` does for folders.

        ```python
        page = client.files.bucket("photos").list("2026/", delimiter="/")
        folders = page["prefixes"]
        ```
        """
        return self._driver.run(
            self._calls.list(prefix, delimiter=delimiter, limit=limit, cursor=cursor, timeout=timeout)
        )

    def all(self, prefix: str = "", *, timeout: float | None = None) -> Iterator[StoredFile]:
        """Yield all files whose keys begin with `prefix`. `timeout`: the timeout for each page.

        ```python
        for file in client.files.bucket("photos").all("2026/"):
            print(file["key"], file["size"])
        ```
        """
        return self._driver.items(self._calls.all(prefix, timeout=timeout))

    def remove(self, key: str, *, if_match: str | None = None, timeout: float | None = None) -> None:
        """Remove a file. Raises: NotFound; Problem `object_changed`, if it no longer has the `etag` of `if_match`.

        ```python
        client.files.bucket("photos").remove("rye.jpg")
        ```
        """
        self._driver.run(self._calls.remove(key, if_match=if_match, timeout=timeout))

    def remove_many(self, keys: Sequence[str], *, timeout: float | None = None) -> Sequence[DeletedObject]:
        """Remove up to 1,000 files, and return the result of each key. A missing file counts as removed.

        ```python
        client.files.bucket("photos").remove_many(["a.jpg", "b.jpg"])
        ```
        """
        return self._driver.run(self._calls.remove_many(keys, timeout=timeout))

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
    ) -> StoredFile:
        """Copy a file. The server copies no bytes, so a copy of a large file is as fast as that of a small file.

        `bucket`: the bucket of the target, by default this bucket. `overwrite`: False to refuse a target that exists.

        ```python
        client.files.bucket("photos").copy("rye.jpg", "covers/rye.jpg")
        ```
        """
        return self._driver.run(
            self._calls.copy(
                source,
                target,
                bucket=bucket,
                overwrite=overwrite,
                content_type=content_type,
                cache_control=cache_control,
                metadata=metadata,
                timeout=timeout,
            )
        )

    def move(
        self,
        source: str,
        target: str,
        *,
        bucket: str | None = None,
        overwrite: bool = True,
        timeout: float | None = None,
    ) -> StoredFile:
        """Move a file to another key, or to another bucket. Parameters: as for `copy`.

        ```python
        client.files.bucket("photos").move("rye.jpg", "2026/rye.jpg", bucket="archive")
        ```
        """
        return self._driver.run(self._calls.move(source, target, bucket=bucket, overwrite=overwrite, timeout=timeout))

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
    ) -> SignedLink:
        """Make a link to one file, for a download or an upload (PUT) without a key. You cannot take a link back.

        `expires_in`: in seconds, at most 7 days. `content_type`, `max_bytes`: only for uploads, which must have them.
        `transform`: link to a variant of an image.

        ```python
        link = client.files.bucket("photos").sign("rye.jpg", expires_in=600)
        print(link.url)
        ```
        """
        return self._driver.run(
            self._calls.sign(
                key,
                method=method,
                expires_in=expires_in,
                content_type=content_type,
                max_bytes=max_bytes,
                transform=transform,
                timeout=timeout,
            )
        )
