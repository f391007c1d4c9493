from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.uri import bucket_and_key, canonical_path, canonical_query, parameters, query_pairs


@pytest.mark.parametrize(
    ("raw", "canonical", "bucket", "key"),
    [
        (b"", "/", "", b""),
        (b"/", "/", "", b""),
        (b"/b", "/b", "b", b""),
        (b"/b/", "/b/", "b", b""),
        (b"/b//a", "/b//a", "b", b"/a"),
        (b"/b/a/../c/.", "/b/a/../c/.", "b", b"a/../c/."),
        (b"/b/a%2fb", "/b/a%2Fb", "b", b"a/b"),
        (b"/b/a+b", "/b/a%2Bb", "b", b"a+b"),
        (b"/b/%41%2541", "/b/A%2541", "b", b"A%41"),
        (b"/b/(a)~", "/b/%28a%29~", "b", b"(a)~"),
        (b"/b/%ff", "/b/%FF", "b", b"\xff"),
        ("/b/é".encode(), "/b/%C3%A9", "b", "é".encode()),
    ],
)
def test_a_path_is_split_then_decoded_once(raw: bytes, canonical: str, bucket: str, key: bytes) -> None:
    assert canonical_path(raw) == canonical
    assert bucket_and_key(raw) == (bucket, key)


@pytest.mark.parametrize(
    ("raw", "canonical", "decoded"),
    [
        (b"", "", {}),
        (b"acl", "acl=", {"acl": ""}),
        (b"b=2&a=1&&", "a=1&b=2", {"a": "1", "b": "2"}),
        (b"prefix=a+b%2Bc", "prefix=a%20b%2Bc", {"prefix": "a b+c"}),
        (b"a=b=c", "a=b%3Dc", {"a": "b=c"}),
        (b"%61=%7e", "a=~", {"a": "~"}),
    ],
)
def test_a_query_is_decoded_and_sorted(raw: bytes, canonical: str, decoded: dict[str, str]) -> None:
    pairs = query_pairs(raw)

    assert canonical_query(pairs) == canonical
    assert parameters(pairs) == decoded


def test_parameters_are_sorted_by_their_escaped_bytes() -> None:
    assert canonical_query(query_pairs(b"a-=1&a=2&a%00=3&A=4&a=1")) == "A=4&a=1&a=2&a%00=3&a-=1"


@given(st.text(min_size=1), st.text())
def test_what_a_client_escapes_comes_back(name: str, value: str) -> None:
    name, value = (text.encode("utf-8", "ignore").decode() or "x" for text in (name, value))

    raw = canonical_query([(name.encode(), value.encode())]).encode()

    assert parameters(query_pairs(raw)) == {name: value}


@pytest.mark.parametrize("raw", [b"/b/%", b"/b/%4", b"/b/%zz", b"/%ff/a"])
def test_a_path_with_a_broken_escape_is_refused(raw: bytes) -> None:
    with pytest.raises(S3Error, match="InvalidURI"):
        bucket_and_key(raw)


@pytest.mark.parametrize(
    ("raw", "code"), [(b"a=1&a=1", "InvalidArgument"), (b"a=%ff", "InvalidURI"), (b"%ff=a", "InvalidURI")]
)
def test_a_parameter_that_is_there_twice_or_is_not_text_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(S3Error, match=code):
        parameters(query_pairs(raw))
