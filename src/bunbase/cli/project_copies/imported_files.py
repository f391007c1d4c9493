"""Send the buckets and objects of an exported file to a project.

The content of a large object waits on disk until it is complete, so that an upload can be sent again, and so that
memory stays small.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from bunbase.cli.errors import Refused
from bunbase.cli.http import Call, at_v1, refuse
from bunbase.cli.project_copies.content import decoded, is_md5
from bunbase.cli.project_copies.lines import ObjectLine, read_json_line
from bunbase.cli.project_copies.object_requests import object_path, of_project
from bunbase.cli.project_copies.reading import OnBytes, numbered_lines
from bunbase.cli.project_copies.sending import Conflict, Sending
from bunbase.contracts.storage import Bucket, BucketChanges, Buckets, NewBucket

IN_MEMORY: Final = 8 << 20  # a larger object waits in a temporary file
CONTENT: Final = b'{"bytes":'  # such lines are long, and need not be decoded to be skipped
SENT_BYTES: Final = 256 << 10
SILENCE_SECONDS: Final = 300.0


class RepeatedBody:
    """The body of an upload, which may be sent several times."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(0)
        while data := self.file.read(SENT_BYTES):
            yield data


class ImportedFiles:
    """`missing`: buckets that do not exist because this is a dry run."""

    def __init__(self, sending: Sending) -> None:
        self.sending = sending
        self.session = sending.session
        self.headers = of_project(sending.project)
        self.missing: set[str] = set()

    def send_buckets(self) -> None:
        """Create the buckets. Treat existing buckets as the choices demand."""
        wanted = self.sending.checked.buckets
        if not wanted:
            return
        found = self.session.ask(Buckets, Call("GET", at_v1("storage", "buckets"), headers=self.headers)).items
        present = {one.name: one for one in found}
        for name, (line, bucket) in wanted.items():
            try:
                self._settle(line, bucket, present.get(name))
            except Refused as refused:
                self.sending.buckets.failed += 1
                self.sending.errors.add(line, refused.code, f"{name}: {refused.detail}")

    def send_objects(self, file: Path, on_bytes: OnBytes, told: Callable[[], None]) -> None:
        """Send the objects. Raises: Failure. Then the same file can be sent again from `last_line` + 1."""
        if not self.sending.checked.counts.objects:
            return
        lines = numbered_lines(file, on_bytes)
        for number, text in lines:
            if number == 1 or not isinstance(text, bytes) or text.startswith(CONTENT):
                continue
            found = read_json_line(text).object
            if isinstance(found, ObjectLine) and number >= self.sending.choices.from_line:
                try:
                    self._send(number, found, lines)
                except Refused as refused:
                    self.sending.objects.failed += 1
                    self.sending.errors.add(number, refused.code, f"{found.bucket}/{found.key[:200]}: {refused.detail}")
                self.sending.last_line = number
                told()

    def _settle(self, line: int, wanted: NewBucket, present: Bucket | None) -> None:
        """Create or change a bucket, or note why not. Raises: Refused."""
        tally, choices = self.sending.buckets, self.sending.choices
        if present is None:
            if choices.dry_run:
                self.missing.add(wanted.name)
            else:
                call = Call("POST", at_v1("storage", "buckets"), headers=self.headers, json=msgspec.to_builtins(wanted))
                self.session.ask(Bucket, call)
            tally.imported += 1
            return
        settings = {name: getattr(wanted, name) for name in BucketChanges.__struct_fields__}
        if all(getattr(present, name) == value for name, value in settings.items()):
            tally.skipped += 1
        elif choices.on_conflict is Conflict.REPLACE:
            if not choices.dry_run:
                body = msgspec.to_builtins(settings)
                path = at_v1("storage", "buckets", wanted.name)
                self.session.ask(Bucket, Call("PATCH", path, headers=self.headers, json=body))
            tally.updated += 1
        elif choices.on_conflict is Conflict.SKIP:
            tally.skipped += 1
        else:
            tally.failed += 1
            self.sending.errors.add(line, "bucket_exists", f"The project has {wanted.name} with other settings.")

    def _send(self, number: int, found: ObjectLine, lines: Iterator[tuple[int, Any]]) -> None:
        """Send an object, whose content is in the next lines. Raises: Refused, Unreachable."""
        tally, choices = self.sending.objects, self.sending.choices
        etag = None if found.bucket in self.missing else self._etag(found)
        if etag is not None and (etag == found.etag or choices.on_conflict is Conflict.SKIP):
            tally.skipped += 1
            return
        if etag is not None and choices.on_conflict is Conflict.FAIL:
            tally.failed += 1
            where = f"{found.bucket}/{found.key[:200]}"
            self.sending.errors.add(number, "object_exists", f"The project has another object {where}.")
            return
        if not choices.dry_run:
            self._upload(found, lines, etag)
        if etag is None:
            tally.imported += 1
        else:
            tally.updated += 1

    def _etag(self, found: ObjectLine) -> str | None:
        """Return the etag of the object that the project has; None if it has none. Raises: Refused."""
        call = Call("HEAD", object_path(found.bucket, found.key), headers=self.headers)
        reply = self.session.send(call)
        if reply.status_code == 404:
            return None
        refuse(reply)
        return str(reply.headers.get("etag", "")).strip('"')

    def _upload(self, found: ObjectLine, lines: Iterator[tuple[int, Any]], etag: str | None) -> None:
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as content:
            size = 0
            while size < found.size:
                _, text = next(lines)
                data = decoded(str(read_json_line(text).bytes))
                content.write(data)
                size += len(data)
            headers = {
                **self.headers,
                "content-length": str(found.size),
                "content-type": found.content_type,
                "x-bunbase-metadata": json.dumps(found.metadata),  # in ASCII
                **({"content-md5": _md5(found.etag)} if is_md5(found.etag) else {}),
                **({"cache-control": found.cache_control} if found.cache_control else {}),
                **({"x-bunbase-owner": found.owner} if found.owner else {}),
                **({"if-none-match": "*"} if etag is None else {"if-match": f'"{etag}"'}),
            }
            path = object_path(found.bucket, found.key)
            body: Any = RepeatedBody(content)
            refuse(self.session.send(Call("PUT", path, headers=headers, content=body, seconds=SILENCE_SECONDS)))


def _md5(etag: str) -> str:
    return base64.b64encode(bytes.fromhex(etag)).decode()
