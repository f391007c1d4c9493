"""Check a whole file before a request is sent, so that a damaged file changes nothing in the project."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from bunbase.cli.errors import Failure
from bunbase.cli.project_copies.content import Content
from bunbase.cli.project_copies.error_groups import ErrorGroups
from bunbase.cli.project_copies.lines import (
    FORMAT,
    MAX_LINE_BYTES,
    Counts,
    Header,
    Line,
    ObjectLine,
    read_document_id,
    read_header,
    read_json_line,
    read_user_id,
)
from bunbase.cli.project_copies.reading import CutOff, OnBytes, TooLong, numbered_lines
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.project_file import COLLECTION_NAME
from bunbase.contracts.storage import MAX_BUCKETS, MAX_OBJECT_BYTES, NewBucket

# the settings of all collections in one file may have at most this size, because the command holds them in memory
MAX_SETTINGS_BYTES: Final = 64 << 20
COLLECTION: Final = re.compile(COLLECTION_NAME)
TRUNCATED: Final = "truncated_file"


class CheckedFile(msgspec.Struct):
    """A file that was read to its end. `settings`: the settings of each collection, with their line number. `buckets`:
    the buckets, with their line number.

    `errors`: the errors of the file. If there are any, no part of the file may be sent.
    """

    header: Header
    counts: Counts
    settings: dict[str, tuple[int, CollectionSpec]]
    errors: ErrorGroups
    buckets: dict[str, tuple[int, NewBucket]] = {}


class Sent(msgspec.Struct, frozen=True):
    """A line to send. `text`: the user, or the whole line of a document. An empty `collection` means a user."""

    number: int
    collection: str
    text: bytes


def checked_file(file: Path, on_bytes: OnBytes) -> CheckedFile:
    """Read a file to its end. Raises: Usage; Failure if the file is no export, or needs a newer command."""
    lines = numbered_lines(file, on_bytes)
    header = _header(next(lines, (1, b""))[1], file)
    with closing(_Checking(header)) as checking:
        for number, line in lines:
            checking.take(number, line)
        checking.end()
        return CheckedFile(header, checking.counts(), checking.settings, checking.errors, checking.buckets)


def sent_lines(file: Path, on_bytes: OnBytes) -> Iterator[Sent]:
    """Yield the users and the documents of a file that has been checked."""
    for number, text in numbered_lines(file, on_bytes):
        if number == 1 or not isinstance(text, bytes):
            continue
        line = read_json_line(text)
        if isinstance(line.user, msgspec.Raw):
            yield Sent(number, "", bytes(line.user) + b"\n")
        elif isinstance(line.collection, str):
            yield Sent(number, line.collection, text)
        elif isinstance(line.bucket, NewBucket):
            return  # all other lines are about files


class _Checking:
    """Checks the lines. `seen`: the ids in the file.
    The ids are in a temporary database on disk, because they could be too many for memory.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self.errors = ErrorGroups()
        self.settings: dict[str, tuple[int, CollectionSpec]] = {}
        self.settings_bytes = 0
        self.documents = self.users = self.objects = 0
        self.buckets: dict[str, tuple[int, NewBucket]] = {}
        self.content: Content | None = None
        self.last = 1
        self.end_line: Counts | None = None
        self.seen = sqlite3.connect("", isolation_level=None)
        self.seen.execute("PRAGMA journal_mode = OFF")
        self.seen.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self.seen.execute("BEGIN")

    def close(self) -> None:
        self.seen.close()

    def counts(self) -> Counts:
        return Counts(len(self.settings), self.documents, self.users, len(self.buckets), self.objects)

    def take(self, number: int, text: bytes | TooLong | CutOff) -> None:
        self.last = number
        try:
            if self.end_line is not None:
                raise _Wrong("after_the_end", "There are lines after the last line of the export.")
            match text:
                case TooLong():
                    raise _Wrong("line_too_long", f"A line has at most {MAX_LINE_BYTES} bytes.")
                case CutOff(why=why):
                    raise _Wrong(TRUNCATED, f"The file is cut off: {why}. Export again, or copy the file again.")
                case _:
                    self._take(number, _read(text))
        except _Wrong as wrong:
            self.errors.add(number, wrong.code, wrong.detail)

    def end(self) -> None:
        """Compare the counts in the last line with the counts of the file."""
        if self.errors.count:
            return
        if self.end_line is None:
            detail = "The file is cut off: the last line of an export is missing. Export again, or copy the file again."
            self.errors.add(self.last, TRUNCATED, detail)
        elif self.end_line != self.counts():
            detail = (
                f"The file has other numbers than its last line: {_told(self.counts())}, not {_told(self.end_line)}."
            )
            self.errors.add(self.last, "wrong_counts", detail)

    def _take(self, number: int, line: Line) -> None:
        if self._took_file(number, line):
            return
        if isinstance(line.define, str) and isinstance(line.settings, CollectionSpec):
            self._define(number, line.define, line.settings)
        elif isinstance(line.user, msgspec.Raw):
            self.users += 1
            if not self.header.users:
                raise _Wrong("unexpected_user", "The first line says that the file has no users.")
            self._once(number, f"user/{_id(line.user, read_user_id, 'A user needs an id')}")
        elif isinstance(line.collection, str) and isinstance(line.document, msgspec.Raw):
            self.documents += 1
            if line.collection not in self.settings:
                raise _Wrong("unknown_collection", f"No line before this one defines {line.collection[:64]}.")
            id = _id(line.document, read_document_id, "A document needs an _id")
            self._once(number, f"{line.collection}/{id}")
        elif isinstance(line.end, Counts):
            self.end_line = line.end
        else:
            raise _Wrong(
                "unknown_line",
                "A line has a collection, a user, a document, a bucket, an object or its bytes, or the end.",
            )

    def _took_file(self, number: int, line: Line) -> bool:
        """Check a line about files; return False for another line. Raises: _Wrong."""
        if self.content is not None:
            if not isinstance(line.bytes, str):
                raise _Wrong("content_missing", f"The content of {self.content.key[:200]!r} is not complete.")
            self._add(self.content, line.bytes)
            return True
        if isinstance(line.bucket, NewBucket):
            self._bucket(number, line.bucket)
        elif isinstance(line.object, ObjectLine):
            self._object(number, line.object)
        elif isinstance(line.bytes, str):
            raise _Wrong("unexpected_content", "This content belongs to no object.")
        elif self.buckets and not isinstance(line.end, Counts):
            raise _Wrong("after_files", "Only the end of the export may follow the files.")
        else:
            return False
        return True

    def _bucket(self, number: int, bucket: NewBucket) -> None:
        if not self.header.files:
            raise _Wrong("unexpected_bucket", "The first line says that the file has no files.")
        if bucket.name in self.buckets:
            raise _Wrong("duplicate_bucket", f"Line {self.buckets[bucket.name][0]} defines {bucket.name} already.")
        if len(self.buckets) >= MAX_BUCKETS:
            raise _Wrong("too_many_buckets", f"A project has at most {MAX_BUCKETS} buckets.")
        self.buckets[bucket.name] = number, bucket

    def _object(self, number: int, found: ObjectLine) -> None:
        self.objects += 1
        if found.bucket not in self.buckets:
            raise _Wrong("unknown_bucket", f"No line before this one defines {found.bucket[:64]}.")
        if not 0 <= found.size <= MAX_OBJECT_BYTES:
            raise _Wrong("invalid_line", f"An object has at most {MAX_OBJECT_BYTES} bytes.")
        self._once(number, f"object/{found.bucket}/{found.key}")
        self.content = Content(found)
        self._end_content()

    def _add(self, content: Content, text: str) -> None:
        try:
            content.add(text)
        except ValueError as error:
            self.content = None
            raise _Wrong("damaged_content", f"The content of {content.key[:200]!r} is damaged: {error}.") from None
        self._end_content()

    def _end_content(self) -> None:
        content = self.content
        if content is not None and content.is_whole:
            self.content = None
            if not content.is_right:
                raise _Wrong("damaged_content", f"The content of {content.key[:200]!r} has another MD5 than its etag.")

    def _define(self, number: int, name: str, settings: CollectionSpec) -> None:
        if not COLLECTION.fullmatch(name):
            raise _Wrong(
                "invalid_collection", "The name of a collection must match [a-z][a-z0-9_]{0,62}, such as blog_posts."
            )
        if name in self.settings:
            raise _Wrong("duplicate_collection", f"Line {self.settings[name][0]} defines {name} already.")
        self.settings_bytes += len(msgspec.json.encode(settings))
        if self.settings_bytes > MAX_SETTINGS_BYTES:
            raise _Wrong("too_many_collections", f"The settings have more than {MAX_SETTINGS_BYTES >> 20} MiB.")
        self.settings[name] = (number, settings)

    def _once(self, number: int, id: str) -> None:
        """Note an id. Raises: _Wrong if another line has this id."""
        if self.seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (id, number)).rowcount:
            return
        (first,) = self.seen.execute("SELECT line FROM seen WHERE id = ?", (id,)).fetchone()
        raise _Wrong("duplicate_id", f"{id[:200]} is also in line {first}.")


class _Wrong(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def _header(line: bytes | TooLong | CutOff, file: Path) -> Header:
    """Raises: Failure."""
    if isinstance(line, CutOff) and line.why.startswith("the compressed"):
        raise Failure("unreadable_file", f"{file} cannot be read: {line.why}.")
    text = line if isinstance(line, bytes) else b""
    try:
        header = read_header(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Failure(
            "not_an_export",
            f'{file} is no export of a project: its first line has no "bunbase_export". Lines of documents: '
            "bunbase data import. Lines of users: bunbase users import.",
        ) from None
    if not 1 <= header.bunbase_export <= FORMAT:
        raise Failure(
            "unknown_format",
            f"{file} has the format {header.bunbase_export}, of BunBase {header.bunbase[:40] or 'unknown'}. This "
            f"command reads formats up to {FORMAT}: install a newer one.",
        )
    return header


def _read(text: bytes) -> Line:
    """Raises: _Wrong."""
    try:
        return read_json_line(text)
    except msgspec.ValidationError as error:
        raise _Wrong("invalid_line", f"The line has another form than an export: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Wrong("invalid_json", f"The line is not valid JSON: {error}.") from None


def _id(text: msgspec.Raw, read: Any, what: str) -> str:
    """Raises: _Wrong."""
    try:
        found: str = read(text).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _Wrong("missing_id", f"{what}: {error}.") from None
    return found


def _told(counts: Counts) -> str:
    return (
        f"{counts.collections} collections, {counts.documents} documents, {counts.users} users, {counts.buckets} "
        f"buckets and {counts.objects} files"
    )
