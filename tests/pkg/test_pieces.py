"""Small pieces are joined to pieces of one size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.pieces import Collector


@given(st.lists(st.binary(max_size=40)), st.integers(1, 16))
def test_the_pieces_have_the_size_and_all_bytes_in_order(parts: list[bytes], size: int) -> None:
    collector = Collector(size)

    pieces = [piece for part in parts for piece in collector.add(part)]
    rest = collector.take()

    assert b"".join([*pieces, rest]) == b"".join(parts)
    assert all(len(piece) == size for piece in pieces)
    assert len(rest) < size
    assert collector.take() == b""
