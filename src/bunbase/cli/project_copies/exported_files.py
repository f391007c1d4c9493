"""Write the buckets and objects of a project to an exported file. One piece of an object at a time is in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from bunbase.cli.errors import Failure, Refused
from bunbase.cli.http import Call, at_v1, refuse
from bunbase.cli.project_copies.content import encoded, is_md5
from bunbase.cli.project_copies.lines import PIECE_BYTES, ObjectLine, json_line
from bunbase.cli.project_copies.object_requests import PAGE, object_path, of_project
from bunbase.cli.session import Session
from bunbase.contracts.storage import Buckets, NewBucket, ObjectPage, StoredObject

SILENCE_SECONDS: Final = 120.0
ATTEMPTS: Final = 5  # for an object that changes while it is exported
GONE: Final = ("object_not_found", "bucket_not_found")


class ExportedFiles:
    """`write_lines`: adds lines to the file. `told`: called with the number of objects."""

    def __init__(
        self, session: Session, project: str, write_lines: Callable[[bytes], None], told: Callable[[int], None]
    ) -> None:
        self.session = session
        self.headers = of_project(project)
        self.write_lines = write_lines
        self.told = told

    def write(self) -> tuple[int, int]:
        """Write all buckets, then all objects, and return their numbers. Raises: Failure."""
        buckets = self.session.ask(Buckets, Call("GET", at_v1("storage", "buckets"), headers=self.headers)).items
        for one in buckets:
            values = {name: getattr(one, name) for name in NewBucket.__struct_fields__}
            self.write_lines(json_line({"bucket": NewBucket(**values)}))
        count = 0
        for one in buckets:
            for found in self._objects(one.name):
                count += self._write(found)
                self.told(count)
        return len(buckets), count

    def _objects(self, bucket: str) -> Iterator[StoredObject]:
        cursor = None
        while True:
            params = {"limit": str(PAGE)} | ({} if cursor is None else {"cursor": cursor})
            page = self._page(bucket, params)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def _page(self, bucket: str, params: dict[str, str]) -> ObjectPage:
        call = Call("GET", at_v1("storage", "list", bucket), params=params, headers=self.headers)
        try:
            return self.session.ask(ObjectPage, call)
        except Refused as refused:
            if refused.code in GONE:  # the bucket was deleted meanwhile
                return ObjectPage((), (), None)
            raise

    def _write(self, found: StoredObject) -> int:
        """Write an object with its content. Return 0 if it was deleted meanwhile. Raises: Failure."""
        for _ in range(ATTEMPTS):
            headers = {**self.headers, "if-match": f'"{found.etag}"'}
            call = Call("GET", object_path(found.bucket, found.key), headers=headers, seconds=SILENCE_SECONDS)
            reply = self.session.send(call, stream=True)
            if reply.status_code not in (404, 412):
                refuse(reply)
                with self.session.http.parts(reply) as parts:
                    self._write_content(found, parts)
                return 1
            reply.close()
            now = self._page(found.bucket, {"prefix": found.key, "limit": "1"}).items
            if not now or now[0].key != found.key:
                return 0
            found = now[0]
        raise Failure("object_changed", f"{found.key} changes all the time. Export again later.")

    def _write_content(self, found: StoredObject, parts: Iterator[bytes]) -> None:
        names = ObjectLine.__struct_fields__
        self.write_lines(json_line({"object": ObjectLine(**{name: getattr(found, name) for name in names})}))
        md5, size, waiting = hashlib.md5(usedforsecurity=False), 0, bytearray()
        for part in parts:
            md5.update(part)
            size += len(part)
            waiting += part
            while len(waiting) >= PIECE_BYTES:
                self.write_lines(encoded(bytes(waiting[:PIECE_BYTES])))
                del waiting[:PIECE_BYTES]
        if waiting:
            self.write_lines(encoded(bytes(waiting)))
        if size != found.size or (is_md5(found.etag) and md5.hexdigest() != found.etag):
            raise Failure("object_damaged", f"{found.key} did not arrive as it is stored. Export again.")
