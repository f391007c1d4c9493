from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg.plain_cbor import MAX_DEPTH, MAX_ITEMS, NotPlain, check_plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text() | st.floats(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text() | st.integers(0, 9), inner, max_size=5),
    max_leaves=8,
)


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


@settings(max_examples=30)
@given(st.lists(VALUES, max_size=3))
def test_plain_values_pass_one_after_another(values: list[Any]) -> None:
    encoded = [one for one in map(cbor2.dumps, values) if _depth(cbor2.loads(one)) <= MAX_DEPTH]

    check_plain(b"".join(encoded))


@given(st.binary(max_size=40))
def test_everything_that_passes_is_decoded_without_a_tag(data: bytes) -> None:
    try:
        check_plain(data)
    except NotPlain:
        return
    stream = BytesIO(data)
    with suppress(cbor2.CBORDecodeError):  # cbor2 refuses a value that ends too early, or a text that is not UTF-8.
        while True:
            assert _is_plain(cbor2.load(stream))


@pytest.mark.parametrize(
    "data",
    [
        b"\xc4\x82\x01\x02",  # This is a decimal fraction.
        b"\x81\xc2\x41\xff",  # This is a list with a big number.
        b"\xd8\x23\x61a",  # This is a regular expression.
        b"\x9f\x01\xff",  # This is a list of unknown length.
        b"\x5f\x41a\xff",
        b"\xff",
        b"\x5a\xff\xff\xff\xff",  # This begins a byte string whose bytes do not follow.
        b"\x9b" + b"\xff" * 8,
        b"\x82\x01",
        b"\x19\x01",
        b"\x81",
        cbor2.dumps(nested(MAX_DEPTH + 1)),
        b"\x80" * (MAX_ITEMS + 1),
    ],
    ids=bytes.hex,
)
def test_tags_unknown_lengths_and_large_structures_are_refused(data: bytes) -> None:
    with pytest.raises(NotPlain):
        check_plain(data)


def test_the_deepest_and_longest_structures_pass() -> None:
    check_plain(cbor2.dumps(nested(MAX_DEPTH)))
    check_plain(b"\x80" * MAX_ITEMS)
    check_plain(b"")


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    named = (cbor2.CBORSimpleValue, type(cbor2.undefined))
    return value is None or isinstance(value, (bool, int, float, bytes, str, tuple, *named))
