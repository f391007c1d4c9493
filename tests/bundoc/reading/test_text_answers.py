"""Highlights of long texts are the same as if the whole text had been marked, but with bounded work."""

from __future__ import annotations

import pytest

from bunbase.bundoc.query.search import Words
from bunbase.bundoc.query.text import parse_text
from bunbase.bundoc.reading import text_answers
from bunbase.bundoc.reading.text_answers import CLOSE, MAX_LENGTH, OPEN, PIECE, STEP, highlights
from bunbase.contracts.bundoc.collections import IndexSpec
from bunbase.contracts.bundoc.documents import Highlight


def words(text: str) -> Words:
    return Words(IndexSpec(("t",), "t", type="text"), parse_text(text))


@pytest.mark.parametrize("at", [0, 5, STEP - 3, STEP, STEP + 5, PIECE - 20, PIECE - 3, PIECE, 2 * STEP + 7, 89_000])
@pytest.mark.parametrize("length", [60, 5000])
def test_the_first_match_is_shown_wherever_it_is(at: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    filler = "lorem ipsum dolor " * 5000
    text = f"{filler[:at]} quick fox {filler[at:]} quick fox"
    documents = [{"t": text}, {"t": ["short", text]}, {"t": filler}, {"t": "a quick fox"}, {}]
    wanted = Highlight(("t",), length=length)

    found = highlights(words('"quick fox"'), wanted, documents)

    monkeypatch.setattr(text_answers, "PIECE", len(text) * 2)  # The whole text is one piece.
    assert found == highlights(words('"quick fox"'), wanted, documents)
    assert [sorted(one) for one in found] == [["t"], ["t"], [], ["t"], []]
    assert "<mark>quick</mark> <mark>fox</mark>" in found[0]["t"] or "<mark>quick fox</mark>" in found[0]["t"]


def test_only_the_surroundings_of_the_first_match_are_marked() -> None:
    """SQLite's `highlight` takes a time that grows with the square of the number of matches."""
    [window] = text_answers._marked(words("milk"), ["milk " * 200_000])

    assert window is not None
    assert window.text.count(OPEN) == window.text.count(CLOSE) <= (PIECE + MAX_LENGTH) // len("milk ")
    assert (window.cut_before, window.cut_after) == (False, True)
