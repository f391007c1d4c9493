"""The requests of `bunbase storage` about the objects of one project."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from bunbase.cli.errors import Failure, Unreachable
from bunbase.cli.http import Call, at_v1, decode, refuse
from bunbase.cli.session import Session
from bunbase.cli.storage_files.places import Remote
from bunbase.contracts.storage import DeletedObject, ObjectPage, SignedLink, StorageUsage, StoredObject

PAGE: Final = 500
PARTIAL: Final = 206
FINISH_SECONDS: Final = 120.0  # the server may still copy the bytes to an S3 service after it has received them
RESUMES: Final = 3  # the number of times that a broken download continues
MD5: Final = re.compile(r"[0-9a-f]{32}")  # the ETag of an object that was uploaded in parts is no MD5

Moved = Callable[[int], None]  # is called with the number of bytes of each piece that was sent or received


class Deleted(msgspec.Struct, frozen=True):
    items: tuple[DeletedObject, ...]


class Body:
    """The body of an upload. It may be read a second time if `pieces` opens a file. `md5`: the digest of the bytes that
    were sent.
    """

    def __init__(self, pieces: Callable[[], Iterable[bytes]], moved: Moved) -> None:
        self.pieces, self.moved = pieces, moved
        self.md5 = hashlib.md5(usedforsecurity=False)

    def __iter__(self) -> Iterator[bytes]:
        self.md5 = hashlib.md5(usedforsecurity=False)
        for piece in self.pieces():
            self.md5.update(piece)
            yield piece
            self.moved(len(piece))


class Objects:
    """The objects of one project. Several threads may use it."""

    def __init__(self, session: Session, project: str) -> None:
        self.session = session
        self.headers = {"x-bunbase-project": project}

    def page(self, place: Remote, delimiter: str = "", limit: int = PAGE, cursor: str | None = None) -> ObjectPage:
        """Return a page of the objects below a place."""
        params = {"prefix": place.key, "limit": limit}
        params |= ({"delimiter": delimiter} if delimiter else {}) | ({"cursor": cursor} if cursor else {})
        return self.session.ask(
            ObjectPage, Call("GET", at_v1("storage", "list", place.bucket), params=params, headers=self.headers)
        )

    def below(self, place: Remote) -> Iterator[StoredObject]:
        """Yield all objects whose keys begin with the key of the place, in the order of their keys."""
        cursor: str | None = None
        while True:
            page = self.page(place, cursor=cursor)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next

    def upload(self, place: Remote, body: Body, headers: Mapping[str, str]) -> StoredObject:
        """Store an object. Raises: Failure if the stored bytes differ from the bytes that were sent; Refused."""
        sent: Any = body  # httpx takes each iterable of bytes
        call = Call("PUT", _path(place), headers={**self.headers, **headers}, content=sent, seconds=FINISH_SECONDS)
        stored = decode(self._sent(call), StoredObject)
        if MD5.fullmatch(stored.etag) and stored.etag != body.md5.hexdigest():
            raise Failure("content_differs", f"{place} does not have the bytes that were sent: upload the file again.")
        return stored

    def download(self, place: Remote, write: Callable[[bytes], Any], moved: Moved) -> None:
        """Pass the bytes of an object to `write`. If the connection breaks, continue where it broke.

        Raises: Failure if the bytes do not have the digest of the object, Refused, Unreachable.
        """
        digest, done, etag, left = hashlib.md5(usedforsecurity=False), 0, "", RESUMES
        while True:
            more = {"range": f"bytes={done}-", "if-match": etag} if done else {}
            try:
                reply = self.session.send(Call("GET", _path(place), headers={**self.headers, **more}), stream=True)
                with self.session.http.parts(reply) as parts:
                    if not reply.is_success:
                        reply.read()
                        refuse(reply)
                    if done and reply.status_code != PARTIAL:
                        raise Failure("unexpected_answer", f"The server did not send the rest of {place}.")
                    etag = reply.headers.get("etag", "")
                    for part in parts:
                        digest.update(part)
                        write(part)
                        done += len(part)
                        moved(len(part))
                break
            except Unreachable:
                left -= 1
                if not done or not etag or left < 0:
                    raise
        expected = etag.strip('"')
        if MD5.fullmatch(expected) and digest.hexdigest() != expected:
            raise Failure("content_differs", f"The bytes of {place} arrived damaged: try again.")

    def copy(self, source: Remote, to: Remote, moves: bool = False) -> StoredObject:
        """Copy or move an object inside the server."""
        body = {"from": _named(source), "to": _named(to)}
        call = Call("POST", at_v1("storage", "move" if moves else "copy"), headers=self.headers, json=body)
        return self.session.ask(StoredObject, call)

    def delete(self, bucket: str, keys: Sequence[str]) -> tuple[DeletedObject, ...]:
        """Delete at most PAGE objects."""
        body = {"bucket": bucket, "keys": list(keys)}
        call = Call("POST", at_v1("storage", "delete"), headers=self.headers, json=body)
        return self.session.ask(Deleted, call).items

    def sign(self, place: Remote, method: str, seconds: int) -> SignedLink:
        body = {**_named(place), "method": method, "expires_in": seconds}
        return self.session.ask(SignedLink, Call("POST", at_v1("storage", "sign"), headers=self.headers, json=body))

    def usage(self) -> StorageUsage:
        return self.session.ask(StorageUsage, Call("GET", at_v1("storage", "usage"), headers=self.headers))

    def _sent(self, call: Call) -> httpx.Response:
        try:
            return self.session.send(call)
        except httpx.LocalProtocolError:  # the body was shorter than its Content-Length
            raise Failure("file_changed", "The file became shorter while it was uploaded: upload it again.") from None


def _path(place: Remote) -> str:
    """Return the path of an object. The key is one segment, so no client or proxy takes it for several."""
    key = quote(place.key, safe="").replace(".", "%2E") if place.key in (".", "..") else quote(place.key, safe="")
    return f"/v1/storage/objects/{place.bucket}/{key}"


def _named(place: Remote) -> dict[str, str]:
    return {"bucket": place.bucket, "key": place.key}
