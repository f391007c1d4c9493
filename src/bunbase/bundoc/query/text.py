"""Parse the text of `$search`: words that must all occur, "phrases", -excluded words, prefixes* and alternatives (OR).

Every text is a valid search. Terms without letters or digits are ignored. A search without terms finds nothing.
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

# U+0000 ends strings in FTS5, and U+E000 is `words.BETWEEN`.
UNSAID: Final = str.maketrans({"\x00": " ", "\ue000": " "})
PART: Final = re.compile(r'(?P<excluded>-?)(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+))(?P<prefix>(?<=")\*)?')


class Term(msgspec.Struct, frozen=True):
    """A word, or a phrase of adjacent words. `prefix`: true if the last word may be a prefix of a longer word."""

    text: str
    prefix: bool = False


class TextSearch(msgspec.Struct, frozen=True):
    """A parsed search.

    `all`: groups of terms; at least one term of each group must occur. `none`: terms that must not occur.
    `index`: the text index to use; "" for any. `fields`: the fields to search; () for all fields of the index.
    """

    all: tuple[tuple[Term, ...], ...]
    none: tuple[Term, ...] = ()
    index: str = ""
    fields: tuple[str, ...] = ()


def parse_where_and_search(text: bytes | None) -> tuple[Filter, TextSearch | None]:
    """Parse the filter of a query and its `$search`. Raises: InvalidQuery."""
    if text is None:
        return EVERYTHING, None
    where = decode_where(text)
    sought = None
    if isinstance(where, dict) and SEARCH in where:
        sought = parse_search(where.pop(SEARCH), f"/where/{SEARCH}")
    return Reader().document(where, "/where", 1), sought


def parse_search(said: Any, at: str) -> TextSearch:
    """Parse the value of `$search`: a text, or `{"query":…,"index":…,"fields":[…]}`. Raises: InvalidQuery."""
    if isinstance(said, str):
        return parse_text(said, at)
    if not isinstance(said, dict) or not isinstance(said.get("query"), str):
        refuse(at, '$search takes a text, or {"query":"quick fox","index":…,"fields":[…]}.')
    unknown = [name for name in said if name not in ("query", "index", "fields")]
    if unknown:
        refuse(f"{at}/{unknown[0]}", f"$search has no field {unknown[0]}; it takes query, index and fields.")
    index, fields = said.get("index", ""), said.get("fields", [])
    if not isinstance(index, str):
        refuse(f"{at}/index", "index must be the name of a text index.")
    if not isinstance(fields, list) or len(fields) > MAX_FIELDS:
        refuse(f"{at}/fields", f"fields must be a list of at most {MAX_FIELDS} fields.")
    for number, field in enumerate(fields):
        parse_path(field, f"{at}/fields/{number}")
    found = parse_text(said["query"], f"{at}/query")
    return msgspec.structs.replace(found, index=index, fields=tuple(fields))


def parse_text(text: str, at: str = "") -> TextSearch:
    """Parse a search text. Raises: InvalidQuery if the text is too long."""
    if len(text) > MAX_CHARACTERS:
        refuse(at, f"A search has at most {MAX_CHARACTERS} characters.")
    wanted: list[list[Term]] = []
    unwanted: list[Term] = []
    joins = False  # This is true after OR: the next term joins the last group.
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
    """True if the character is part of a word for unicode61, the tokenizer of FTS5."""
    category = unicodedata.category(character)
    return category[0] in "LN" or category == "Co"
