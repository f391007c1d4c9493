"""Write a project to a file, as its parts arrive from the server."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from bunbase import __version__
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.http import Call, at, refuse
from bunbase.cli.output import size_text
from bunbase.cli.plans.collections import present_collections
from bunbase.cli.project_copies.exported_files import ExportedFiles
from bunbase.cli.project_copies.lines import (
    FORMAT,
    FORMAT_WITHOUT_FILES,
    Counts,
    Header,
    json_line,
    settings_of,
)
from bunbase.cli.project_copies.reading import GZIP
from bunbase.cli.session import Session
from bunbase.contracts.platform import Project

SILENCE_SECONDS: Final = 120.0
PART: Final = ".part"  # the name of a file has this suffix until the file is complete

Told = Callable[[str], None]


class Exporting:
    """One export. `written`: the number of bytes before compression."""

    def __init__(self, session: Session, project: Project, target: IO[bytes], told: Told) -> None:
        self.session = session
        self.project = project
        self.target = target
        self.told = told
        self.written = 0

    def run(self, users: bool, files: bool) -> Counts:
        """Write the whole file. Raises: Failure."""
        header = Header(
            FORMAT if files else FORMAT_WITHOUT_FILES,
            __version__,
            self.project.id,
            self.project.slug,
            datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            users,
            files,
        )
        self._write(json_line(header))
        found = present_collections(self.session, self.project.id)
        for one in found.values():
            self._write(json_line({"define": one.name, "settings": settings_of(one)}))
        count_users = self._users() if users else 0
        documents = self._documents()
        if present_collections(self.session, self.project.id).keys() != found.keys():
            raise Failure("collections_changed", "Collections were created or dropped meanwhile. Export again.")
        stored = ExportedFiles(self.session, self.project.id, self._write, self._tell_files)
        buckets, objects = stored.write() if files else (0, 0)
        counts = Counts(len(found), documents, count_users, buckets, objects)
        self._write(json_line({"end": counts}))
        return counts

    def _tell_files(self, objects: int) -> None:
        self.told(f"{objects} files, {size_text(self.written)}")

    def _documents(self) -> int:
        count = 0
        for part in self._parts(Call("GET", at("projects", self.project.id, "export"), seconds=SILENCE_SECONDS)):
            self._write(part)
            count += part.count(b"\n")
            self.told(f"{count} documents, {size_text(self.written)}")
        return count

    def _users(self) -> int:
        headers = {"x-bunbase-project": self.project.id}
        params = {"hashes": "true"}
        count, rest = 0, b""
        for part in self._parts(
            Call("GET", "/v1/auth/users/export", params=params, headers=headers, seconds=SILENCE_SECONDS)
        ):
            *lines, rest = (rest + part).split(b"\n")
            self._write(b"".join(b'{"user":' + line + b"}\n" for line in lines))
            count += len(lines)
            self.told(f"{count} users, {size_text(self.written)}")
        return count

    def _parts(self, call: Call) -> Iterator[bytes]:
        reply = self.session.send(call, stream=True)
        refuse(reply)
        with self.session.http.parts(reply) as parts:
            yield from parts

    def _write(self, lines: bytes) -> None:
        self.target.write(lines)
        self.written += len(lines)


@contextmanager
def new_file(file: Path) -> Iterator[IO[bytes]]:
    """Yield a new file, which only its owner can read. The file gets its final name when the block has succeeded.

    Raises: Usage.
    """
    part = file.with_name(file.name + PART)
    try:
        part.unlink(missing_ok=True)  # an interrupted export may have left this file
        raw = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise Usage(f"{part} cannot be written: {error.strerror}.", "no_file") from None
    try:
        with raw:
            if file.suffix == GZIP:
                with gzip.GzipFile(file.stem, "wb", 6, raw) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


class ExportedProject(msgspec.Struct, frozen=True):
    file: str
    bytes: int
    collections: int
    documents: int
    users: int
    files: int
