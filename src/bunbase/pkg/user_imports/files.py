"""Read the user files of other systems: JSON, lines of JSON, CSV, a dump of pg_dump, or a database of SQLite."""

from __future__ import annotations

import csv
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from bunbase.pkg.user_imports.lines import CannotRead, Record

SQLITE: Final = b"SQLite format 3\0"
ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
LISTS: Final = ("users", "items", "records")  # Systems write the list of users under these names.

Groups = Mapping[str, list[Record]]


def records(file: Path) -> Iterator[Record]:
    """Yield the records of a file of JSON, of lines of JSON, or of CSV with a header. Raises: CannotRead, OSError."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        first = source.readline().lstrip()
        source.seek(0)
        if file.suffix.lower() == ".csv":
            csv.field_size_limit(min(sys.maxsize, 1 << 24))
            yield from csv.DictReader(source)
        elif first.startswith("{") and first.rstrip().endswith("}") and _is_record(first):
            yield from _lines(source)
        else:
            yield from _whole(source.read())


def rows(file: Path) -> Iterator[list[str]]:
    """Yield the rows of a CSV file that has no header. Raises: OSError."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        yield from (row for row in csv.reader(source) if row)


def copied(file: Path, table: str) -> Iterator[Record]:
    """Yield the rows of a table in a dump (`COPY auth.users (…) FROM stdin;`). Raises: CannotRead, OSError."""
    beginning = (f"COPY {table} (", f'COPY "{table.replace(".", chr(34) + "." + chr(34))}" (')
    with file.open(encoding="utf-8", newline="\n") as source:
        columns: list[str] | None = None
        for line in source:
            text = line.rstrip("\n")
            if columns is None:
                if text.startswith(beginning):
                    names = text.partition("(")[2].partition(")")[0].split(",")
                    columns = [name.strip().strip('"') for name in names]
                continue
            if text == "\\.":
                return
            values = text.split("\t")
            if len(values) != len(columns):
                raise CannotRead(f"A row of {table} has {len(values)} columns instead of {len(columns)}.")
            yield {name: _unescaped(value) for name, value in zip(columns, values, strict=True)}


def is_dump(file: Path) -> bool:
    return file.suffix.lower() in (".sql", ".dump")


def is_sqlite(file: Path) -> bool:
    with file.open("rb") as source:
        return source.read(len(SQLITE)) == SQLITE


def sqlite_records(file: Path, table: str) -> Iterator[Record]:
    """Yield the rows of a table of a SQLite file, which is only read. Raises: CannotRead."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            known = database.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?", (table,)
            )
            if known.fetchone() is None:
                raise CannotRead(f"The database has no collection {table}.")
            name = table.replace('"', '""')
            for row in database.execute(f'SELECT * FROM "{name}"'):  # noqa: S608 - SQLite takes no parameter for a name; it is quoted, and a table
                yield dict(row)
    except sqlite3.Error as error:
        raise CannotRead(f"The database cannot be read: {error}.") from None


def grouped(found: Iterator[Record], *names: str) -> Groups:
    """Return the records in groups, by the value of the first of the fields `names` that a record has."""
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    for one in found:
        groups[next((str(one[name]) for name in names if one.get(name)), "")].append(one)
    return groups


def _lines(source: IO[str]) -> Iterator[Record]:
    for number, line in enumerate(source, 1):
        if line.strip():
            yield _object(_decoded(line, f"Line {number}"), f"Line {number}")


def _whole(text: str) -> Iterator[Record]:
    found = _decoded(text, "The file")
    if isinstance(found, dict):
        found = next((found[name] for name in LISTS if isinstance(found.get(name), list)), [found])
    if not isinstance(found, list):
        raise CannotRead("The file has no list of users.")
    for number, one in enumerate(found, 1):
        yield _object(one, f"User {number}")


def _object(found: Any, what: str) -> Record:
    if not isinstance(found, dict):
        raise CannotRead(f"{what} is not an object.")
    return found


def _decoded(text: str, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CannotRead(f"{what} is not JSON: {error}.") from None


def _is_record(text: str) -> bool:
    """True if a first line is one whole record. False if it is a list of all records."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return not any(isinstance(found.get(name), list) for name in LISTS)


def _unescaped(value: str) -> str | None:
    """Return a value of COPY's text format; `\\N` is NULL (PostgreSQL manual, COPY, Text Format)."""
    if value == "\\N":
        return None
    if "\\" not in value:
        return value
    parts = value.split("\\")
    text = parts[0]
    waiting = False
    for part in parts[1:]:
        if waiting:  # The part follows an escaped backslash.
            text, waiting = text + part, False
        elif not part:
            text, waiting = text + "\\", True
        else:
            text += ESCAPES.get(part[0], part[0]) + part[1:]
    return text
