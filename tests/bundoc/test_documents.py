"""BunBase accepts or refuses documents, and stores them in one form."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.bundoc.documents import (
    MAX_BYTES,
    StoredDocument,
    check_collection,
    check_id,
    document_at,
    new_document,
    with_system_fields,
)
from bunbase.contracts.bundoc.problems import DocumentTooLarge, InvalidDocument
from bunbase.pkg.errors import InvalidInput, Malformed

NAMES = st.text(st.characters(exclude_characters=[*map(chr, range(0x20)), "\x7f"], exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)
FIELDS = st.dictionaries(NAMES.filter(lambda name: not name.startswith("_")), JSON)


@given(FIELDS)
def test_any_object_is_read_as_it_was_stored(fields: dict[str, Any]) -> None:
    _, body = new_document(msgspec.json.encode(fields))

    assert msgspec.json.decode(body) == fields


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (b"{}", b"{}"),
        (b' { "a" : 1 } ', b'{"a":1}'),
        (b'{"n":10.00,"m":-0,"e":1E+2,"b":123456789012345678901234567890}', None),
        (b'{"s":"\\u00e9 \\ud83d\\ude00 \\/ \\u0000"}', None),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"a":{"x":1,"x":{"y":1,"y":2}},"b":[{"z":1,"z":2}]}', b'{"a":{"x":{"y":2}},"b":[{"z":2}]}'),
        (b'{"a":{"$set":1}}', None),
        (b'{"":0}', None),
    ],
)
def test_a_document_is_stored_compact_with_unique_names(sent: bytes, stored: bytes | None) -> None:
    assert new_document(sent) == (None, stored or sent)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b'{"a":1}x',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":01}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00x"}',
        b'{"\\ud800":1}',
        b'{"a":"\x00"}',
        b"\xef\xbb\xbf{}",
        b'{"a":{"b":{"c":"\xff"}}}',
    ],
)
def test_a_body_that_is_not_json_in_utf8_is_refused(sent: bytes) -> None:
    with pytest.raises(Malformed):
        new_document(sent)


@pytest.mark.parametrize("sent", [b"[]", b"null", b'"a"', b"1", b"true"])
def test_only_a_json_object_is_a_document(sent: bytes) -> None:
    with pytest.raises(InvalidDocument):
        new_document(sent)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e400000000", '[0,{"a":1e999}]'])
def test_numbers_that_would_read_back_as_infinity_are_refused(number: str) -> None:
    with pytest.raises(InvalidDocument):
        new_document(b'{"a":%b}' % number.encode())


@pytest.mark.parametrize(
    ("opening", "closing", "levels"),
    [('{"a":', "}", 1), ("[", "]", 1), ('[{"a":', "}]", 2), ('{"b":[],"a":[1,', "]}", 2)],
)
def test_documents_are_nested_at_most_32_levels(opening: str, closing: str, levels: int) -> None:
    def nested(times: int) -> bytes:
        return ('{"top":' + opening * times + "1" + closing * times + "}").encode()

    fits = 31 // levels

    new_document(nested(fits))
    for too_deep in (nested(fits + 1), nested(50_000)):
        with pytest.raises(InvalidDocument):
            new_document(too_deep)


def test_a_document_of_one_mebibyte_is_accepted_and_one_byte_more_is_refused() -> None:
    frame = len(b'{"a":""}')
    fits = b'{"a":"%b"}' % (b"x" * (MAX_BYTES - frame))

    assert new_document(fits)[1] == fits
    with pytest.raises(DocumentTooLarge):
        new_document(b'{"a":"%b"}' % (b"x" * (MAX_BYTES - frame + 1)))


def test_system_fields_do_not_count_against_the_size() -> None:
    fits = b'{"a":"%b"}' % (b"x" * (MAX_BYTES - 8))
    whole = with_system_fields(StoredDocument("d1", 3, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z", fits))

    assert document_at("d1", whole) == fits


@pytest.mark.parametrize("body", [b"{}", b'{"a":1}'])
def test_a_document_that_was_read_can_be_sent_back(body: bytes) -> None:
    whole = with_system_fields(StoredDocument("d1", 3, "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z", body))

    assert msgspec.json.decode(whole) == {
        "_id": "d1",
        "_rev": 3,
        "_created": "2026-01-01T00:00:00.000Z",
        "_updated": "2026-01-02T00:00:00.000Z",
        **msgspec.json.decode(body),
    }
    assert document_at("d1", whole) == body


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (b'{"_id":"other"}', "/_id"),
        (b'{"_id":7}', "/_id"),
        (b'{"_id":null}', "/_id"),
        (b'{"_owner":1}', "/_owner"),
        (b'{"_a~b/c":1}', "/_a~0b~1c"),
    ],
)
def test_an_unknown_system_field_is_refused_by_name(sent: bytes, path: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        document_at("d1", sent)

    assert [error["path"] for error in refused.value.extra["errors"]] == [path]


def test_a_new_document_may_choose_its_id() -> None:
    assert new_document(b'{"_id":"d-1_A","a":1}') == ("d-1_A", b'{"a":1}')
    for bad in ("", "a b", "a" * 65, "\u00e9", "../x", "a\n"):
        with pytest.raises(InvalidDocument):
            new_document(msgspec.json.encode({"_id": bad}))


@pytest.mark.parametrize("name", ["", "Posts", "1a", "_a", "a-b", "a" * 64, "a\n", "\u00e9", "a;drop", "a.b", "a/b"])
def test_invalid_names_of_collections_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_collection(name)


def test_names_at_their_limits_are_accepted() -> None:
    check_collection("a" * 63)
    check_collection("a_1")
    check_id("-" * 64)
