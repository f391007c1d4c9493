"""What `$search` asks for: words that must all occur, "phrases", -excluded ones, beginnings*, and this OR that.

Any text is a search. What holds no letter and no digit is left out; a search for nothing finds nothing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

import msgspec

from bunbase.bundoc.query.filters import EVERYTHING, Filter
from bunbase.bundoc.query.parse import Reader, decode_where, parse_path, refuse

SEARCH: Final = "$search"
MAX_CHARACTERS: Final = 1000
MAX_TERMS: Final = 32
MAX_FIELDS: Final = 16

UNSAID: Final = str.maketrans({"\x00": " ", "\ue000": " "})  # the end of FTS5's strings, and `words.BETWEEN`
PART: Final = re.compile(r'(?P<excluded>-?)(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+))(?P<prefix>(?<=")\*)?')


class Term(msgspec.Struct, frozen=True):
    """A word, or a phrase: words next to each other. `prefix`: the last one may go on."""

    text: str
    prefix: bool = False


class TextSearch(msgspec.Struct, frozen=True):
    """`all`: of each group one must occur; `none` of these may. `index`, `fields`: where, empty anywhere."""

    all: tuple[tuple[Term, ...], ...]
    none: tuple[Term, ...] = ()
    index: str = ""
    fields: tuple[str, ...] = ()


def parse_where_and_search(text: bytes | None) -> tuple[Filter, TextSearch | None]:
    """Read the filter of a query, and what it searches for. Raises: InvalidQuery."""
    if text is None:
        return EVERYTHING, None
    where = decode_where(text)
    sought = None
    if isinstance(where, dict) and SEARCH in where:
        sought = parse_search(where.pop(SEARCH), f"/where/{SEARCH}")
    return Reader().document(where, "/where", 1), sought


def parse_search(said: Any, at: str) -> TextSearch:
    """Read the text, or `{"query":…,"index":…,"fields":[…]}`. Raises: InvalidQuery."""
    if isinstance(said, str):
        return parse_text(said, at)
    if not isinstance(said, dict) or not isinstance(said.get("query"), str):
        refuse(at, '$search takes a text, or {"query":"quick fox","index":…,"fields":[…]}.')
    unknown = [name for name in said if name not in ("query", "index", "fields")]
    if unknown:
        refuse(f"{at}/{unknown[0]}", f"$search does not know {unknown[0]}; it takes query, index and fields.")
    index, fields = said.get("index", ""), said.get("fields", [])
    if not isinstance(index, str):
        refuse(f"{at}/index", "index is the name of a text index.")
    if not isinstance(fields, list) or len(fields) > MAX_FIELDS:
        refuse(f"{at}/fields", f"fields is a list of at most {MAX_FIELDS} fields.")
    for number, field in enumerate(fields):
        parse_path(field, f"{at}/fields/{number}")
    found = parse_text(said["query"], f"{at}/query")
    return msgspec.structs.replace(found, index=index, fields=tuple(fields))


def parse_text(text: str, at: str = "") -> TextSearch:
    """Raises: InvalidQuery for a text that is too long."""
    if len(text) > MAX_CHARACTERS:
        refuse(at, f"A search is at most {MAX_CHARACTERS} characters.")
    wanted: list[list[Term]] = []
    unwanted: list[Term] = []
    joins = False  # OR stands between the last term and the next
    for part in PART.finditer(text.translate(UNSAID)):
        word, phrase = part["word"], part["phrase"]
        if word == "OR" and not part["excluded"]:
            joins = True
            continue
        starred = bool(part["prefix"]) or (word is not None and word.endswith("*"))
        term = Term(" ".join((word or phrase or "").split()).rstrip("*"), starred)
        if not any(_is_of_a_word(character) for character in term.text):
            continue
        if part["excluded"]:
            unwanted.append(term)
        elif joins and wanted:
            wanted[-1].append(term)
        else:
            wanted.append([term])
        joins = False
    if sum(map(len, wanted)) + len(unwanted) > MAX_TERMS:
        refuse(at, f"A search has at most {MAX_TERMS} words and phrases.")
    return TextSearch(tuple(tuple(group) for group in wanted), tuple(unwanted))


def _is_of_a_word(character: str) -> bool:
    """As FTS5's unicode61 sees it."""
    category = unicodedata.category(character)
    return category[0] in "LN" or category == "Co"
