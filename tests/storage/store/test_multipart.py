"""Uploads in several parts: which blobs stay, and how many bytes count, in random histories."""

from __future__ import annotations

import random
from collections.abc import Iterator

import apsw
import msgspec
import pytest

from bunbase.contracts.object_extras import Checksum
from bunbase.contracts.storage import StorageQuotaExceeded, TooManyUploads, UploadNotFound
from bunbase.storage.shares import Holder
from bunbase.storage.store import multipart as store
from bunbase.storage.store.blobs import named_blobs, parts_of, totals
from bunbase.storage.store.buckets import delete_bucket
from bunbase.storage.store.multipart import (
    OF_S3,
    Completion,
    KeptMultipart,
    PartRow,
    UploadRow,
    begin_multipart,
    complete_multipart,
    end_multipart,
    expired_multiparts,
    finish_multipart,
    finished_multipart,
    multipart,
    multiparts_from,
    note_finished,
    numbered,
    parts_of_upload,
    put_part,
)
from bunbase.storage.store.objects import Quota, find, remove
from bunbase.storage.store.resumable import OURS, progress
from bunbase.storage.store.tables import create_tables
from tests.seeds import seeds
from tests.storage.store.files import QUOTA, plain_properties

SERVER = Holder("key key_1")
ALL = "SELECT id FROM blobs UNION ALL SELECT blob FROM pending_deletes"


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    create_tables(connection)
    connection.pragma("foreign_keys", True)
    connection.execute("INSERT INTO buckets (id, name, spec, created) VALUES (1, 'a', '{}', 0)")
    yield connection
    connection.close()


def begun(connection: apsw.Connection, id: str = "u", key: bytes = b"k", created: int = 0) -> UploadRow:
    row = UploadRow(id, 1, key, "{}", None, created)
    begin_multipart(connection, row, SERVER, 100)
    return row


def part(number: int, blob: str, size: int = 5) -> PartRow:
    return PartRow(number, blob, size, f"etag of {blob}", "", 1)


def completed(connection: apsw.Connection, upload: UploadRow, parts: list[PartRow]) -> None:
    found = find(connection, upload.bucket, upload.key)
    blobs = numbered(parts)
    new = plain_properties(sum([one.size for one in parts]))
    completion = Completion(None if found is None else found.state, new, blobs, None, 2, QUOTA)
    complete_multipart(connection, upload, completion)


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(15))
def test_a_blob_stays_exactly_while_an_object_or_an_upload_needs_it(connection: apsw.Connection, seed: int) -> None:
    draw = random.Random(seed)
    uploads: dict[str, dict[int, PartRow]] = {}
    objects: dict[bytes, list[PartRow]] = {}
    every = set()
    for now in range(150):
        act = draw.choice(["begin", "part", "part", "part", "complete", "abort", "remove"])
        id = draw.choice(sorted(uploads)) if uploads else ""
        if act == "begin":
            id = f"u{now}"
            begun(connection, id, draw.choice([b"x", b"y"]))
            uploads[id] = {}
        elif act == "remove" and objects:
            key = draw.choice(sorted(objects))
            found = find(connection, 1, key)
            assert found is not None
            remove(connection, found, found.state, now)
            del objects[key]
        elif id and act == "part":
            one = part(draw.randrange(1, 5), f"b{now}", draw.randrange(1, 9))
            put_part(connection, next(row for row in rows(connection) if row.id == id), one, QUOTA)
            uploads[id][one.number] = one
            every.add(one.blob)
        elif id and act == "complete" and uploads[id]:
            row = next(row for row in rows(connection) if row.id == id)
            parts = [uploads[id][number] for number in sorted(uploads[id])]
            chosen = draw.sample(parts, draw.randrange(1, len(parts) + 1))
            chosen = sorted(chosen, key=lambda one: one.number)
            completed(connection, row, chosen)
            objects[row.key] = chosen
            del uploads[id]
        elif id and act == "abort":
            assert end_multipart(connection, id, now)
            del uploads[id]

    kept = [one for parts in objects.values() for one in parts]
    waiting = [one for parts in uploads.values() for one in parts.values()]
    assert {blob for blob, _ in named_blobs(connection)} == {one.blob for one in kept + waiting}
    found_totals = totals(connection)
    assert found_totals.bytes == sum([one.size for one in kept])
    assert found_totals.upload_bytes == sum([one.size for one in waiting])
    assert found_totals.upload_parts == len(waiting)
    assert sorted([str(row[0]) for row in connection.execute(ALL)]) == sorted(every)
    for key, parts in objects.items():
        found = find(connection, 1, key)
        assert found is not None
        assert [one.blob for one in parts_of(connection, found.id)] == [one.blob for one in parts]


def rows(connection: apsw.Connection) -> list[UploadRow]:
    return multiparts_from(connection, 1, (b"", ""), 1000)


def test_an_upload_belongs_to_one_key(connection: apsw.Connection) -> None:
    begun(connection)

    assert multipart(connection, "u", 1, b"k").key == b"k"
    for wrong in (("u", 1, b"other"), ("u", 2, b"k"), ("v", 1, b"k")):
        with pytest.raises(UploadNotFound):
            multipart(connection, *wrong)


def test_parts_count_to_the_limit_of_the_project_once(connection: apsw.Connection) -> None:
    upload, quota = begun(connection), Quota(10, 10)
    put_part(connection, upload, part(1, "b1", 6), quota)
    put_part(connection, upload, part(1, "b2", 7), quota)
    connection.execute("SAVEPOINT refused")
    with pytest.raises(StorageQuotaExceeded):
        put_part(connection, upload, part(2, "b3", 4), quota)
    connection.execute("ROLLBACK TO refused")
    parts = parts_of_upload(connection, "u")

    new = plain_properties(7)
    complete_multipart(connection, upload, Completion(None, new, numbered(parts), None, 2, quota))

    assert (totals(connection).bytes, totals(connection).upload_bytes, totals(connection).waiting_bytes) == (7, 0, 6)


def test_each_part_counts_as_an_object_until_the_upload_is_complete(connection: apsw.Connection) -> None:
    upload, quota = begun(connection), Quota(2, 100)
    put_part(connection, upload, part(1, "b1"), quota)
    put_part(connection, upload, part(2, "b2"), quota)
    put_part(connection, upload, part(2, "b3"), quota)  # replaces the part with this number
    connection.execute("SAVEPOINT refused")
    with pytest.raises(StorageQuotaExceeded):
        put_part(connection, upload, part(3, "b4"), quota)
    connection.execute("ROLLBACK TO refused")
    parts = parts_of_upload(connection, "u")

    complete_multipart(connection, upload, Completion(None, plain_properties(10), numbered(parts), None, 2, quota))

    assert (totals(connection).objects, totals(connection).upload_parts) == (1, 0)


def test_the_second_request_to_complete_an_upload_gets_the_answer_of_the_first(connection: apsw.Connection) -> None:
    upload = begun(connection)
    put_part(connection, upload, part(1, "b1"), QUOTA)
    parts = numbered(parts_of_upload(connection, "u"))
    completion, checksum = Completion(None, plain_properties(5), parts, None, 2, QUOTA), Checksum("CRC32", "NhCmhg==")

    first = finish_multipart(connection, upload, completion, checksum)
    second = finish_multipart(connection, upload, completion, None)  # it has looked before the first one was stored

    assert (first[1], second[1]) == (True, False)
    assert first[0] == second[0] == finished_multipart(connection, "u", 1, b"k")
    assert finished_multipart(connection, "u", 1, b"other") is None
    assert progress(connection, "u") is None  # the note is not that of a resumable upload
    found = find(connection, 1, b"k")
    assert found is not None
    remove(connection, found, found.state, 3)
    assert finish_multipart(connection, upload, completion, None) == (first[0], False)
    assert find(connection, 1, b"k") is None


def test_notes_of_each_kind_are_bounded(connection: apsw.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_FINISHED", 2)
    note_finished(connection, ("tus-1", "{}", "{}", 1, 0), OURS)
    for number in range(4):
        note_finished(connection, (f"u{number}", "{}", "{}", 1, number), OF_S3)

    kept = connection.execute("SELECT id FROM finished_uploads ORDER BY id").fetchall()
    assert [row[0] for row in kept] == ["tus-1", "u2", "u3"]


def test_each_holder_has_a_share_of_the_begun_uploads(connection: apsw.Connection) -> None:
    limited = Holder("key key_2", is_outsider=True)

    def most(holder: Holder) -> int:
        properties = msgspec.json.encode(KeptMultipart(holder=holder.name)).decode()
        for number in range(20):
            row = UploadRow(f"{holder.name} {number}", 1, b"k", properties, None, 1)
            try:
                begin_multipart(connection, row, holder, 8)
            except TooManyUploads:
                return number
        return 20

    assert [most(limited), most(SERVER), most(Holder("key key_3"))] == [2, 6, 0]


def test_uploads_are_bounded_and_expire_in_order(connection: apsw.Connection) -> None:
    for number in range(3):
        begun(connection, f"u{number}", created=number)

    with pytest.raises(TooManyUploads):
        begin_multipart(connection, UploadRow("u3", 1, b"k", "{}", None, 3), SERVER, 3)
    assert expired_multiparts(connection, 2, 10) == ["u0", "u1"]
    assert not end_multipart(connection, "missing", 1)


def test_a_bucket_with_unfinished_uploads_can_be_deleted(connection: apsw.Connection) -> None:
    put_part(connection, begun(connection), part(1, "b1"), QUOTA)

    delete_bucket(connection, "a", 5)

    assert named_blobs(connection) == []
    assert totals(connection).waiting_bytes == 5
