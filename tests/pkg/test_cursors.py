from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.cursors import InvalidCursor, cut_page, decode_cursor, encode_cursor, page_start


@given(
    st.text(), st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.integers(-(2**53), 2**53))
)
def test_a_cursor_decodes_to_the_encoded_position(query: str, position: tuple[str, int]) -> None:
    cursor = encode_cursor(query, position)

    assert decode_cursor(query, cursor, tuple[str, int]) == position
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text() | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_a_random_text_is_refused_as_a_cursor(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor("projects", cursor, tuple[str, int])


def test_a_cursor_of_another_query_is_refused() -> None:
    cursor = encode_cursor("projects of usr_1", ("a", 1))

    with pytest.raises(InvalidCursor, match="another query"):
        decode_cursor("projects of usr_2", cursor, tuple[str, int])


def test_a_cursor_whose_position_has_another_type_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor("projects", encode_cursor("projects", ("a", "b")), tuple[str, int])


@pytest.mark.parametrize("position", ["a\0b", ("a", "\0"), ("\0", "b")])
def test_a_position_with_nul_is_refused_because_postgresql_cannot_store_it(position: Any) -> None:
    type = str if isinstance(position, str) else tuple[str, str]

    with pytest.raises(InvalidCursor, match="Send back `next`"):
        decode_cursor("projects", encode_cursor("projects", position), type)


def test_a_cursor_of_deeply_nested_json_is_refused() -> None:
    nested = base64.urlsafe_b64encode(b'["projects",' + b"[" * 5000).decode()

    with pytest.raises(InvalidCursor):
        decode_cursor("projects", nested, list[Any])


@pytest.mark.parametrize("cursor", [None, ""])
def test_a_page_without_a_cursor_starts_at_the_first_position(cursor: str | None) -> None:
    assert page_start("projects", cursor, str, "the first") == "the first"


def test_a_page_with_a_cursor_starts_after_its_position() -> None:
    assert page_start("projects", encode_cursor("projects", "prj_7"), str, "") == "prj_7"


def test_a_page_does_not_start_from_a_cursor_of_another_query() -> None:
    with pytest.raises(InvalidCursor, match="another query"):
        page_start("projects", encode_cursor("keys", "prj_7"), str, "")


@pytest.mark.parametrize("rows", [[], [1], [1, 2, 3]])
def test_the_last_page_has_all_rows_and_no_cursor(rows: list[int]) -> None:
    assert cut_page(rows, 3, "numbers", lambda row: row) == (rows, None)


def test_with_one_row_more_than_a_page_the_cursor_points_after_the_last_row_shown() -> None:
    page, cursor = cut_page([1, 2, 3, 4], 3, "numbers", lambda row: row * 10)

    assert page == [1, 2, 3]
    assert cursor is not None
    assert page_start("numbers", cursor, int, 0) == 30


@given(st.lists(st.integers(0, 2**53), unique=True).map(sorted), st.integers(1, 7))
def test_the_pages_of_a_list_join_to_the_whole_list(rows: list[int], limit: int) -> None:
    joined: list[int] = []
    cursor: str | None = None
    while True:
        after = page_start("numbers", cursor, int, -1)
        found = [row for row in rows if row > after]
        page, cursor = cut_page(found[: limit + 1], limit, "numbers", lambda row: row)
        joined += page
        if cursor is None:
            break

    assert joined == rows
