"""Read the users of a whole file, of any known system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from bunbase.pkg.user_imports import files, firebase, pocketbase, supabase
from bunbase.pkg.user_imports.lines import CannotRead, Line


class System(StrEnum):
    BUNBASE = "bunbase"
    FIREBASE = "firebase"
    SUPABASE = "supabase"
    POCKETBASE = "pocketbase"


class Options(msgspec.Struct, frozen=True):
    """Options of some systems. `hash_config`: the parameters of hashes of Firebase. `identities`: the second file of an
    export from Supabase. `collection`: the collection of PocketBase.
    """

    hash_config: firebase.HashConfig | None = None
    identities: Path | None = None
    collection: str = "users"


def read_users(system: System, file: Path, options: Options) -> Iterator[Line | CannotRead]:
    """Yield a line for each user of a file, or the reason why a record cannot be read.

    Users that were deleted in the other system are left out. Raises: CannotRead if the file itself cannot be read;
    OSError.
    """
    match system:
        case System.BUNBASE:
            raise ValueError("these files have lines already")
        case System.FIREBASE:
            if file.suffix.lower() == ".csv":
                yield from _each(files.rows(file), lambda row: firebase.from_csv(row, options.hash_config))
            else:
                yield from _each(files.records(file), lambda record: firebase.from_json(record, options.hash_config))
        case System.SUPABASE:
            yield from _supabase(file, options.identities)
        case System.POCKETBASE:
            yield from _pocketbase(file, options.collection)


def _supabase(file: Path, second: Path | None) -> Iterator[Line | CannotRead]:
    if files.is_dump(file):
        users, identities = files.copied(file, "auth.users"), files.copied(file, "auth.identities")
    else:
        users, identities = files.records(file), files.records(second) if second else iter(())
    of = files.grouped(identities, "user_id")

    def read(row: Any) -> Line | None:
        return supabase.from_row(row, row.get("identities") or of.get(str(row.get("id")), ()))

    yield from _each(users, read)


def _pocketbase(file: Path, collection: str) -> Iterator[Line | CannotRead]:
    if not files.is_sqlite(file):
        yield from _each(files.records(file), pocketbase.from_record)
        return
    ids = {str(one["id"]) for one in files.sqlite_records(file, "_collections") if one.get("name") == collection}
    externals = (
        one
        for one in files.sqlite_records(file, "_externalAuths")
        if str(one.get("collectionRef") or one.get("collectionId")) in ids
    )
    of = files.grouped(externals, "recordRef", "recordId")
    users = files.sqlite_records(file, collection)
    yield from _each(users, lambda record: pocketbase.from_record(record, of.get(str(record.get("id")), ())))


def _each(found: Iterator[Any], read: Callable[[Any], Line | None]) -> Iterator[Line | CannotRead]:
    for one in found:
        try:
            line = read(one)
        except CannotRead as reason:
            yield reason
            continue
        if line is not None:
            yield line
