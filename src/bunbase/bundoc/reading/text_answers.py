"""Add `_score` and `_highlights` to the documents that a text search finds.

The index keeps no text. For highlights, the fields are split into words again, in memory, with the tokenizer of the
index. So the highlights mark exactly the words that the search found.
"""

from __future__ import annotations

import asyncio
import html
from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.documents import with_system_fields
from bunbase.bundoc.query.filters import Path
from bunbase.bundoc.query.parse import parse_path, refuse
from bunbase.bundoc.query.search import Found, Words
from bunbase.bundoc.query.text import TextSearch
from bunbase.bundoc.query.words import BETWEEN, any_of, fts_columns, text_at
from bunbase.contracts.bundoc.collections import IndexSpec
from bunbase.contracts.bundoc.documents import Highlight, Query
from bunbase.pkg import effort

MAX_FIELDS: Final = 16
MAX_MARK: Final = 64
MIN_LENGTH: Final = 20
MAX_LENGTH: Final = 10_000

# A piece has this many characters. Long texts are searched in pieces that overlap by PIECE - STEP characters.
PIECE: Final = 32_000  # It takes 10 ms to mark a piece that is full of matches.
STEP: Final = 24_000
LONGEST_WORD: Final = 1000

OPEN, CLOSE = "\x01", "\x02"  # These placeholders stand for the marks until the text is escaped.
UNMARKED: Final = str.maketrans({OPEN: " ", CLOSE: " "})
ELLIPSIS: Final = "…"


def check_adding(query: Query, text: TextSearch | None) -> None:
    """Check the members `score` and `highlight` of a query. Raises: InvalidQuery."""
    if text is None and query.score:
        refuse("/score", "score needs a $search.")
    if query.highlight is None:
        return
    if text is None:
        refuse("/highlight", "highlight needs a $search.")
    if not 1 <= len(query.highlight.fields) <= MAX_FIELDS:
        refuse("/highlight/fields", f"Name 1 to {MAX_FIELDS} fields.")
    for number, field in enumerate(query.highlight.fields):
        parse_path(field, f"/highlight/fields/{number}")
    if max(len(query.highlight.before), len(query.highlight.after)) > MAX_MARK:
        refuse("/highlight", f"before and after have at most {MAX_MARK} characters.")
    if not MIN_LENGTH <= query.highlight.length <= MAX_LENGTH:
        refuse("/highlight/length", f"length must be from {MIN_LENGTH} to {MAX_LENGTH} characters.")


async def with_added(items: list[bytes], found: Found, query: Query) -> list[bytes]:
    """Return the items with the scores and highlights that the query asks for."""
    if query.score:
        items = [_with(item, "_score", score) for item, score in zip(items, found.scores, strict=True)]
    if query.highlight is not None and found.words is not None:
        shown = await asyncio.to_thread(_highlighted, found, found.words, query.highlight)
        items = [_with(item, "_highlights", one) for item, one in zip(items, shown, strict=True)]
    return items


def _highlighted(found: Found, words: Words, wanted: Highlight) -> list[dict[str, str]]:
    effort.note(sum([len(stored.body) for stored in found.items]))
    return highlights(words, wanted, [msgspec.json.decode(with_system_fields(stored)) for stored in found.items])


def highlights(words: Words, wanted: Highlight, documents: list[Any]) -> list[dict[str, str]]:
    """Return for each document the part of each field around the first match. Fields without a match are left out."""
    paths = {field: parse_path(field, "/highlight") for field in wanted.fields}
    texts = [_texts(document, path) for document in documents for path in paths.values()]
    marked = _marked(words, [text for text in texts if text])
    shown = iter(marked)
    pieces = [next(shown) if text else None for text in texts]
    found: list[dict[str, str]] = []
    for start in range(0, len(pieces), len(paths)):
        of_document = zip(paths, pieces[start : start + len(paths)], strict=True)
        found.append({field: _piece(window, wanted) for field, window in of_document if window is not None})
    return found


class _Window(msgspec.Struct, frozen=True):
    """A part of a text. `cut_before`, `cut_after`: true if the text continues before this part, or after it."""

    text: str
    cut_before: bool = False
    cut_after: bool = False


def _marked(words: Words, texts: list[str]) -> list[_Window | None]:
    """Return for each text the part around its first match, with marks; None for a text without a match.

    SQLite's `highlight` copies its whole result for each match: a text of a megabyte with 180,000 matches took minutes.
    So a long text is searched in overlapping pieces, and only the surroundings of the first piece with a match are
    marked. A phrase whose words are more than 6,000 characters apart may then be missed.
    """
    terms = tuple(term for group in words.sought.all for term in group)
    if not terms:
        return [None] * len(texts)
    match, starts = any_of(terms), [(number, start) for number, text in enumerate(texts) for start in _starts(text)]
    connection = apsw.Connection(":memory:")
    try:
        one_column = IndexSpec(("text",), stemming=words.definition.stemming)
        for table in ("pieces", "shown"):
            connection.execute(f"CREATE VIRTUAL TABLE {table} USING fts5({fts_columns(one_column)})")
        rows = ((row, _window(texts[number], start, PIECE).text) for row, (number, start) in enumerate(starts))
        connection.executemany("INSERT INTO pieces (rowid, c0) VALUES (?, ?)", rows)
        first: dict[int, int] = {}
        for (row,) in connection.execute("SELECT rowid FROM pieces WHERE pieces MATCH ? ORDER BY rowid", (match,)):
            number, start = starts[row]
            first.setdefault(number, start)
        around = {number: _window(texts[number], start, PIECE + MAX_LENGTH) for number, start in first.items()}
        connection.executemany(
            "INSERT INTO shown (rowid, c0) VALUES (?, ?)", [(number, one.text) for number, one in around.items()]
        )
        sql = "SELECT rowid, highlight(shown, 0, ?, ?) FROM shown WHERE shown MATCH ?"
        marked = dict(connection.execute(sql, (OPEN, CLOSE, match)))
    finally:
        connection.close()
    return [
        msgspec.structs.replace(around[number], text=marked[number]) if number in marked else None
        for number in range(len(texts))
    ]


def _starts(text: str) -> range:
    """Return the positions at which the pieces of a text begin; a text of at most PIECE characters is one piece."""
    return range(0, max(1, len(text) - PIECE + STEP), STEP)


def _window(text: str, start: int, length: int) -> _Window:
    """Return a part of the text, cut between words if there is a space nearby, because half a word is another word."""
    end = start + length
    if end < len(text) and (blank := text.rfind(" ", end - LONGEST_WORD, end)) > 0:
        end = blank
    if start and (blank := text.find(" ", start, start + LONGEST_WORD)) > 0:
        start = blank + 1
    return _Window(text[start:end], start > 0, end < len(text))


def _texts(document: Any, path: Path) -> str:
    return text_at(document, path).translate(UNMARKED)


def _piece(window: _Window, wanted: Highlight) -> str:
    """Return the part of the first string with a mark, around this mark. The part is cut between words if possible."""
    strings = window.text.split(BETWEEN)
    at, text = next((at, one) for at, one in enumerate(strings) if OPEN in one)
    begin = _beginning(text, wanted.length)
    end = _end(text, begin, wanted.length)
    piece = text[begin:end]
    if piece.count(OPEN) > piece.count(CLOSE):
        piece += CLOSE
    shown = html.escape(piece).replace(OPEN, wanted.before).replace(CLOSE, wanted.after)
    more_before = begin > 0 or (window.cut_before and at == 0)
    more_after = end < len(text) or (window.cut_after and at == len(strings) - 1)
    return ELLIPSIS * more_before + shown + ELLIPSIS * more_after


def _beginning(text: str, length: int) -> int:
    """Return the position at which the part begins: a third of its length comes before the first mark."""
    first = text.index(OPEN)
    if len(text) - text.count(OPEN) - text.count(CLOSE) <= length:
        return 0
    begin = max(0, first - length // 3)
    if begin == 0:
        return 0
    space = text.find(" ", begin, first)
    return begin if space < 0 else space + 1


def _end(text: str, begin: int, length: int) -> int:
    """Return the position at which the part ends. The length of the part does not include the marks."""
    end, left = begin, length
    while end < len(text) and (left > 0 or text[end] == CLOSE):
        left -= text[end] not in (OPEN, CLOSE)
        end += 1
    if end == len(text):
        return end
    space = text.rfind(" ", max(begin, text.index(OPEN) + 1), end)
    return end if space < 0 or end - space > length // 3 else space


def _with(item: bytes, name: str, value: Any) -> bytes:
    """Append a field to a JSON object. The object is never empty, since it has `_id`."""
    return item[:-1] + b',"' + name.encode() + b'":' + msgspec.json.encode(value) + b"}"
