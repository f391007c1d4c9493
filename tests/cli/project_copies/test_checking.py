"""The command checks a whole file before it sends anything, and reports every damage with its line number."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.cli.errors import Failure
from bunbase.cli.project_copies.checking import CheckedFile, checked_file, sent_lines
from bunbase.cli.project_copies.error_groups import CONFLICTS, MAX_GROUPS, ErrorGroups
from bunbase.cli.project_copies.lines import MAX_LINE_BYTES, Counts

HEADER = b'{"bunbase_export":1,"bunbase":"1.0","project":"prj_a","users":true}\n'
DEFINE = b'{"define":"posts","settings":{"rules":{"get":"true"}}}\n'
USER = b'{"user":{"id":"eve","email":"eve@example.com"}}\n'
FIRST = b'{"collection":"posts","document":{"_id":"a","n":1.10}}\n'
SECOND = b'{"collection":"posts","document":{"_id":"b","n":2}}\n'
END = b'{"end":{"collections":1,"documents":2,"users":1}}\n'
WHOLE = (HEADER, DEFINE, USER, FIRST, SECOND, END)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=5).filter(lambda name: name not in ("id", "_id")), JSON, max_size=3)


def checked(file: Path, *lines: bytes) -> CheckedFile:
    file.write_bytes(b"".join(lines))
    return checked_file(file, lambda _done: None)


def faults(found: CheckedFile) -> list[tuple[str, list[int]]]:
    return [(one.code, one.lines) for one in found.errors.sorted()]


def test_a_whole_file_has_no_errors_and_its_lines_are_sent_byte_for_byte(tmp_path: Path) -> None:
    file = tmp_path / "shop.ndjson"

    found = checked(file, *WHOLE)

    assert faults(found) == []
    assert (found.counts, list(found.settings)) == (Counts(1, 2, 1), ["posts"])
    sent = [(one.number, one.collection, one.text) for one in sent_lines(file, lambda _done: None)]
    user = b'{"id":"eve","email":"eve@example.com"}\n'
    assert sent == [(3, "", user), (4, "posts", FIRST), (5, "posts", SECOND)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((HEADER, DEFINE, USER, FIRST, b"{nonsense\n", SECOND, END), [("invalid_json", [5])]),
        ((HEADER, DEFINE, USER, FIRST, SECOND, b"\xff\xfe\n", END), [("invalid_json", [6])]),
        ((HEADER, DEFINE, USER, FIRST, b"[]\n", END), [("invalid_line", [5])]),
        ((HEADER, DEFINE, USER, FIRST, b"{}\n", END), [("unknown_line", [5])]),
        ((HEADER, DEFINE, USER, FIRST, b'{"collection":"posts"}\n', END), [("unknown_line", [5])]),
        ((HEADER, DEFINE, USER, FIRST, b'{"surprise":1}\n', END), [("invalid_line", [5])]),
        ((HEADER, DEFINE, USER, FIRST, FIRST, END), [("duplicate_id", [5])]),
        ((HEADER, DEFINE, USER, USER, FIRST, SECOND, END), [("duplicate_id", [4])]),
        ((HEADER, DEFINE, DEFINE, USER, FIRST, SECOND, END), [("duplicate_collection", [3])]),
        ((HEADER, DEFINE, USER, b'{"collection":"posts","document":{"n":1}}\n', END), [("missing_id", [4])]),
        ((HEADER, USER, FIRST, SECOND, END), [("unknown_collection", [3, 4])]),
        ((HEADER, b'{"define":"../x","settings":{}}\n', END), [("invalid_collection", [2])]),
        ((HEADER, DEFINE, USER, FIRST, END), [("wrong_counts", [5])]),
        ((HEADER, DEFINE, USER, FIRST, SECOND), [("truncated_file", [5])]),
        ((HEADER, DEFINE, USER, FIRST, SECOND[:-1]), [("truncated_file", [5])]),
        ((*WHOLE, SECOND), [("after_the_end", [7])]),
        ((HEADER.replace(b"true", b"false"), DEFINE, USER, FIRST, SECOND, END), [("unexpected_user", [3])]),
        ((HEADER, DEFINE, USER, b'{"user":' + b"[" * 100_000 + b"\n", FIRST, SECOND, END), [("invalid_json", [4])]),
    ],
)
def test_each_damage_is_told_with_its_line(
    tmp_path: Path, lines: tuple[bytes, ...], expected: list[tuple[str, list[int]]]
) -> None:
    assert faults(checked(tmp_path / "shop.ndjson", *lines)) == expected


def test_a_line_of_any_length_is_refused_by_its_number_and_the_next_line_is_read(tmp_path: Path) -> None:
    endless = b'{"collection":"posts","document":{"_id":"x","t":"' + b"a" * (3 * MAX_LINE_BYTES) + b'"}}\n'
    file = tmp_path / "shop.ndjson.gz"
    file.write_bytes(gzip.compress(b"".join((HEADER, DEFINE, endless, b"nonsense\n", END))))

    found = checked_file(file, lambda _done: None)

    assert faults(found) == [("line_too_long", [3]), ("invalid_json", [4])]


def test_compressed_data_that_end_too_early_are_a_truncated_file(tmp_path: Path) -> None:
    file = tmp_path / "shop.ndjson.gz"
    lines = [b'{"collection":"posts","document":{"_id":"%x"}}\n' % (number * 2654435761) for number in range(4000)]
    packed = gzip.compress(b"".join((HEADER, DEFINE, *lines)))
    file.write_bytes(packed[: len(packed) // 2])

    ((code, _),) = faults(checked_file(file, lambda _done: None))

    assert code == "truncated_file"


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"", "not_an_export"),
        (b"nonsense\n", "not_an_export"),
        (FIRST, "not_an_export"),
        (b'{"bunbase_export":"1"}\n', "not_an_export"),
        (b'{"bunbase_export":3,"bunbase":"9.0"}\n', "unknown_format"),
        (b'{"bunbase_export":0}\n', "unknown_format"),
    ],
)
def test_a_file_of_another_kind_or_of_a_newer_command_is_refused(tmp_path: Path, first: bytes, code: str) -> None:
    with pytest.raises(Failure) as refused:
        checked(tmp_path / "shop.ndjson", first, DEFINE, END)

    assert refused.value.code == code


@given(documents=st.lists(OBJECTS, max_size=6), users=st.lists(OBJECTS, max_size=4), cut=st.integers(1, 10_000))
def test_random_users_and_documents_are_read_as_they_were_written_and_no_cut_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, documents: list[Any], users: list[Any], cut: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "random.ndjson"
    counts = Counts(1, len(documents), len(users))
    lines = [
        HEADER,
        DEFINE,
        *(_line({"user": {"id": f"u{at}", **one}}) for at, one in enumerate(users)),
        *(_line({"collection": "posts", "document": {"_id": f"d{at}", **one}}) for at, one in enumerate(documents)),
        _line({"end": counts}),
    ]

    found = checked(file, *lines)
    sent = [one.text for one in sent_lines(file, lambda _done: None)]
    whole = b"".join(lines)
    damaged = checked(file, whole[: max(len(HEADER), len(whole) - cut)])

    assert (faults(found), found.counts) == ([], counts)
    assert [one if b'"collection"' in one[:14] else b'{"user":' + one[:-1] + b"}\n" for one in sent] == lines[2:-1]
    assert damaged.errors.count == 1


def test_errors_are_counted_by_kind_without_the_names_in_which_they_differ() -> None:
    groups = ErrorGroups()

    for line in range(1, 1001):
        groups.add(line, "document_exists", f"A document d{line} exists already.")
    groups.add(7, "invalid_input", "/email: This is no address.")
    for kind in range(2 * MAX_GROUPS):
        groups.add(2000 + kind, "code" + "x" * kind, "Something else.")

    first = groups.sorted()[0]
    assert (first.code, first.count, first.lines) == ("document_exists", 1000, [1, 2, 3])
    assert (groups.count, len(groups.groups)) == (1001 + 2 * MAX_GROUPS, MAX_GROUPS + 1)


def _line(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def test_only_errors_of_what_the_project_has_already_are_conflicts() -> None:
    groups = ErrorGroups()
    groups.add(2, "before_write_failed", "The function guard failed.")
    assert not groups.has(CONFLICTS)

    groups.add(3, "document_exists", "The document a exists already in posts.")
    assert groups.has(CONFLICTS)


WITH_FILES = b'{"bunbase_export":2,"users":false,"files":true}\n'
BUCKET = b'{"bucket":{"name":"photos","public":true}}\n'
OBJECT = b'{"object":{"bucket":"photos","key":"../a","size":5,"etag":"5d41402abc4b2a76b9719d911017c592"}}\n'  # hello
EMPTY = b'{"object":{"bucket":"photos","key":"","size":0,"etag":"d41d8cd98f00b204e9800998ecf8427e"}}\n'
HEL, LO = b'{"bytes":"aGVs"}\n', b'{"bytes":"bG8="}\n'
FILES_END = b'{"end":{"collections":0,"documents":0,"users":0,"buckets":1,"objects":2}}\n'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((WITH_FILES, BUCKET, OBJECT, HEL, LO, EMPTY, FILES_END), []),
        ((HEADER, BUCKET, END), [("unexpected_bucket", [2])]),
        ((WITH_FILES, BUCKET, BUCKET, OBJECT, HEL, LO, EMPTY, FILES_END), [("duplicate_bucket", [3])]),
        ((WITH_FILES, OBJECT, HEL, LO, FILES_END), [("unexpected_content", [3, 4]), ("unknown_bucket", [2])]),
        ((WITH_FILES, BUCKET, OBJECT, HEL, EMPTY, FILES_END), [("content_missing", [5, 6])]),
        ((WITH_FILES, BUCKET, OBJECT, HEL, HEL, EMPTY, FILES_END), [("damaged_content", [5])]),
        ((WITH_FILES, BUCKET, OBJECT, HEL, b'{"bytes":"bG9="}\n', EMPTY, FILES_END), []),
        ((WITH_FILES, BUCKET, OBJECT, b'{"bytes":"aGVt"}\n', LO, EMPTY, FILES_END), [("damaged_content", [5])]),
        ((WITH_FILES, BUCKET, OBJECT, b'{"bytes":"?"}\n', FILES_END), [("damaged_content", [4])]),
        (
            (WITH_FILES, BUCKET, OBJECT, HEL, LO, OBJECT, HEL, LO, FILES_END),
            [("duplicate_id", [6]), ("unexpected_content", [7, 8])],
        ),
        ((WITH_FILES, BUCKET, EMPTY, DEFINE, FILES_END), [("after_files", [4])]),
        ((WITH_FILES, BUCKET, EMPTY, FILES_END), [("wrong_counts", [4])]),
        ((WITH_FILES, BUCKET, OBJECT, HEL), [("truncated_file", [4])]),
    ],
)
def test_each_damage_of_files_is_told_with_its_line(
    tmp_path: Path, lines: tuple[bytes, ...], expected: list[tuple[str, list[int]]]
) -> None:
    assert sorted(faults(checked(tmp_path / "shop.ndjson", *lines))) == expected


def test_a_file_of_the_first_version_has_no_files_and_is_still_read() -> None:
    found = checked_file(Path(__file__).parent / "export_of_0.1.0.ndjson", lambda _done: None)

    assert (faults(found), found.counts, found.header.files) == ([], Counts(1, 2, 1), False)
