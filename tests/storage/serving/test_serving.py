"""The parts of a download that need no server: types, disguised files, ranges, conditions and headers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any

import pytest

from bunbase.contracts.storage import Conditions, ObjectChanged, Opened, RangeNotSatisfiable, StoredObject
from bunbase.storage.serving.conditions import check_write, is_same, is_unchanged, last_modified
from bunbase.storage.serving.headers import METADATA, ascii_json, download_headers
from bunbase.storage.serving.media_types import UNKNOWN, fits, matches, sniffed, valid_type
from bunbase.storage.serving.ranges import asked_range

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize(
    ("header", "size", "found"),
    [
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=0-1", 10, (0, 2)),
        ("bytes=9-", 10, (9, 10)),
        ("bytes=9-9", 10, (9, 10)),
        ("bytes=5-100", 10, (5, 10)),
        ("bytes=-1", 10, (9, 10)),
        ("bytes=-100", 10, (0, 10)),
        ("Bytes= 2 - 3", 10, (2, 4)),
        ("", 10, None),
        ("bytes=", 10, None),
        ("bytes=-", 10, None),
        ("bytes=3-2", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("lines=0-1", 10, None),
        ("bytes=99999999999999999999-", 10, None),
        ("", 0, None),
    ],
)
def test_a_range_is_read(header: str, size: int, found: tuple[int, int] | None) -> None:
    assert asked_range(header, size) == found


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=11-12", 10), ("bytes=-0", 10), ("bytes=0-0", 0)]
)
def test_a_range_beyond_the_end_is_refused_with_the_size(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        asked_range(header, size)

    assert refused.value.headers()["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    ("conditions", "etag", "passes"),
    [
        (Conditions(), None, True),
        (Conditions(if_none_match="*"), None, True),
        (Conditions(if_none_match="*"), "e", False),
        (Conditions(if_none_match='"e"'), "e", False),
        (Conditions(if_none_match='W/"e"'), "e", False),
        (Conditions(if_none_match='"other"'), "e", True),
        (Conditions(if_match="*"), None, False),
        (Conditions(if_match="*"), "e", True),
        (Conditions(if_match='"a", "e"'), "e", True),
        (Conditions(if_match="e"), "e", True),
        (Conditions(if_match='W/"e"'), "e", False),
        (Conditions(if_match='"a"'), "e", False),
        (Conditions(if_unmodified_since=last_modified(AT)), "e", True),
        (Conditions(if_unmodified_since=last_modified(AT - timedelta(seconds=1))), "e", False),
        (Conditions(if_unmodified_since="yesterday"), "e", True),
    ],
)
def test_the_conditions_of_a_write(conditions: Conditions, etag: str | None, passes: bool) -> None:
    if passes:
        check_write(conditions, etag, AT if etag else None)
    else:
        with pytest.raises(ObjectChanged):
            check_write(conditions, etag, AT if etag else None)


def test_a_condition_on_the_etag_replaces_the_one_on_the_time() -> None:
    later, earlier = last_modified(AT + timedelta(hours=1)), last_modified(AT - timedelta(hours=1))

    assert is_unchanged(Conditions(if_none_match='"e"', if_modified_since=earlier), "e", AT)
    assert not is_unchanged(Conditions(if_none_match='"x"', if_modified_since=later), "e", AT)
    assert is_unchanged(Conditions(if_modified_since=later), "e", AT)
    assert is_unchanged(Conditions(if_modified_since=last_modified(AT)), "e", AT)
    assert not is_unchanged(Conditions(if_modified_since=earlier), "e", AT)
    assert not is_unchanged(Conditions(if_match='"e"', if_unmodified_since=earlier), "e", AT)
    with pytest.raises(ObjectChanged):
        is_unchanged(Conditions(if_unmodified_since=earlier), "e", AT)


def test_times_are_compared_in_whole_seconds_as_headers_have_them() -> None:
    sent, now = last_modified(AT), AT.replace(microsecond=999_000)

    check_write(Conditions(if_unmodified_since=sent), "e", now)
    assert is_unchanged(Conditions(if_modified_since=sent, if_unmodified_since=sent), "e", now)
    assert is_same(sent, "e", now)


def test_metadata_have_only_printable_characters_in_a_header() -> None:
    text = ascii_json({"\x7f": "\x7f\r\n\0\u0080é\u2028\U0001f600"})

    assert all(" " <= one <= "~" for one in text)
    assert json.loads(text) == {"\x7f": "\x7f\r\n\0\u0080é\u2028\U0001f600"}


def test_if_range_names_the_same_object() -> None:
    assert is_same("", "e", AT)
    assert is_same('"e"', "e", AT)
    assert is_same(last_modified(AT), "e", AT)
    assert not is_same('W/"e"', "e", AT)
    assert not is_same('"x"', "e", AT)
    assert not is_same(last_modified(AT - timedelta(seconds=1)), "e", AT)


@pytest.mark.parametrize(
    "declared",
    ["", "html", "text/html; charset", "text/html\r\nX: 1", "text /html", "text/html,text/plain", "a/b/c", "é/x"],
)
def test_a_type_that_is_none_is_stored_as_unknown(declared: str) -> None:
    assert valid_type(declared) == UNKNOWN


@pytest.mark.parametrize("declared", ["text/plain", 'text/plain; charset="utf-8"', "application/vnd.a.b+json;v=1"])
def test_a_valid_type_is_stored_as_it_was_sent(declared: str) -> None:
    assert valid_type(declared) == declared


DISGUISES = [
    b"<!DOCTYPE html><script>",
    b"\xef\xbb\xbf \n<html>",
    b"<ScRiPt>alert(1)</script>",
    b"<svg onload=alert(1)>",
    b"<?xml version='1.0'?><svg xmlns='x'>",
    b"<?xml version='1.0'?><html xmlns='x'>",
    b"<!-- a --><html>",
    "<html>".encode("utf-16"),
    b"\0\0<html>",
    b"<iframe src=x>",
    b"<body onload=x>",
    b"<a href=x>",
]


@pytest.mark.parametrize("content", DISGUISES)
def test_a_disguised_page_is_no_image_and_no_text(content: bytes) -> None:
    for declared in ("image/png", "image/jpeg", "text/plain", "application/octet-stream", "video/mp4"):
        assert not fits(declared, content)
    assert sniffed(content) in ("text/html", "image/svg+xml", "application/xml")


@pytest.mark.parametrize(
    ("declared", "content", "good"),
    [
        ("image/png", PNG, True),
        ("image/jpeg", PNG, True),  # Only the kind counts, because programs confuse these two types.
        ("video/mp4", PNG, False),
        ("text/plain", PNG, False),
        ("image/png", b"plain text", False),
        ("text/plain", b"plain text", True),
        ("text/plain", b"a < b", True),
        ("text/html", b"<html>", True),
        ("image/svg+xml", b"<svg>", True),
        ("application/rss+xml", b"<?xml version='1.0'?><rss>", True),
        ("application/pdf", b"%PDF-1.7", True),
        ("application/pdf", b"MZ", False),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04", True),
        ("audio/mpeg", b"ID3\x04", True),
        ("image/webp", b"RIFF\0\0\0\0WEBP", True),
        ("video/mp4", b"\0\0\0\x18ftypisom", True),
        ("image/avif", b"\0\0\0\x18ftypavif", True),
        ("image/png", b"", False),
        ("text/plain", b"", True),
    ],
)
def test_the_first_bytes_may_not_contradict_the_type(declared: str, content: bytes, good: bool) -> None:
    assert fits(declared, content) is good


def test_patterns_of_types() -> None:
    assert matches("image/PNG; a=b", ["image/*"])
    assert matches("application/pdf", ["image/*", "Application/PDF"])
    assert matches("x/y", [])
    assert matches("x/y", ["*/*"])
    assert not matches("imagex/png", ["image/*"])
    assert not matches("text/html", ["image/*", "application/pdf"])


def opened(key: str = "a/b.png", content_type: str = "image/png", status: int = 200, **values: Any) -> Opened:
    cache_control = str(values.pop("stored", ""))
    metadata = {"näme": "wörth \U0001f600"} if values.pop("metadata", False) else {}
    found = StoredObject(key, "files", 10, "e", content_type, "", metadata, None, AT, AT)
    return Opened(status, found, 2, 5, bool(values.pop("public", False)), cache_control, **values)


def test_only_harmless_types_are_shown() -> None:
    for content_type, kind in (
        ("image/png", "inline"),
        ("IMAGE/PNG; x=1", "inline"),
        ("image/svg+xml", "attachment"),
        ("text/html", "attachment"),
        ("application/pdf", "attachment"),
        ("text/plain", "attachment"),
        ("application/xhtml+xml", "attachment"),
        (UNKNOWN, "attachment"),
    ):
        headers = download_headers(opened(content_type=content_type))
        assert headers["content-disposition"].startswith(kind + ";")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a/b.txt", "b.txt"),
        ("a/", "a"),
        ("/", "download"),
        ("é ü.txt", "é ü.txt"),
        ('x"; y=\r\n1', 'x"; y=\r\n1'),
        ("..", ".."),
    ],
)
def test_the_name_of_a_file_is_quoted(key: str, name: str) -> None:
    header = download_headers(opened(key=key, content_type=UNKNOWN))["content-disposition"]

    assert header.isascii()
    assert header.isprintable()
    message = Message()
    message["content-disposition"] = header.partition("; filename*")[0]
    assert message.get_filename() is not None
    sent = header.partition("filename*=")[2]
    message = Message()
    message["content-disposition"] = f"attachment; filename*={sent}"
    assert message.get_filename() == name


def test_only_public_objects_are_kept_by_shared_caches() -> None:
    stored = "public, max-age=60, s-maxage=100"

    assert download_headers(opened(stored=stored))["cache-control"] == "private, max-age=60"
    assert download_headers(opened(stored=stored, public=True))["cache-control"] == "public, max-age=60"
    assert download_headers(opened())["cache-control"] == "private, no-cache"
    assert download_headers(opened(link_seconds=-1))["cache-control"] == "private, max-age=0"
    assert "X-Bunbase-Key" in download_headers(opened())["vary"]
    assert download_headers(opened(public=True))["vary"] == "Origin"


@pytest.mark.parametrize(
    ("stored", "served"),
    [
        ("public, max-age=60, s-maxage=100", "private, max-age=7"),
        ("MAX-AGE = 5, immutable", "private, max-age=5, immutable"),
        ("max-age=x", "private, max-age=7"),
        ("no-store", "private, no-store"),
        ("no-cache", "private, no-cache"),
        ("", "private, max-age=7"),
    ],
)
def test_the_answer_to_a_link_is_kept_as_stored_but_not_longer_than_the_link_is_valid(stored: str, served: str) -> None:
    """Browsers cache the answer as the object's stored `Cache-Control` says, but only while the link is valid."""
    assert download_headers(opened(stored=stored, link_seconds=7))["cache-control"] == served


def test_a_part_names_its_place_and_metadata_are_ascii() -> None:
    headers = download_headers(opened(status=206, metadata=True))

    assert headers["content-range"] == "bytes 2-4/10"
    assert headers[METADATA] == '{"n\\u00e4me":"w\\u00f6rth \\ud83d\\ude00"}'
    assert ascii_json({"a": 1}) == '{"a":1}'
