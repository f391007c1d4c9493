from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.cursors import InvalidCursor, decode_cursor, encode_cursor


@given(st.text(), st.tuples(st.text(), st.integers(-(2**53), 2**53)))
def test_a_cursor_gives_back_the_position(query: str, position: tuple[str, int]) -> None:
    cursor = encode_cursor(query, position)

    assert decode_cursor(query, cursor, tuple[str, int]) == position
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text() | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_garbage_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor("projects", cursor, tuple[str, int])


def test_a_cursor_of_another_query_is_refused() -> None:
    cursor = encode_cursor("projects of usr_1", ("a", 1))

    with pytest.raises(InvalidCursor, match="another query"):
        decode_cursor("projects of usr_2", cursor, tuple[str, int])


def test_a_position_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor("projects", encode_cursor("projects", ("a", "b")), tuple[str, int])


def test_brackets_without_end_are_refused() -> None:
    nested = base64.urlsafe_b64encode(b'["projects",' + b"[" * 5000).decode()

    with pytest.raises(InvalidCursor):
        decode_cursor("projects", nested, list[Any])
