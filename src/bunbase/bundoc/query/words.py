"""Tokenizer settings and search expressions for FTS5, the text index of SQLite.

Indexes and highlights use the same settings, so that highlights mark exactly the words that the search found.
"""

from __future__ import annotations

from typing import Any, Final

from bunbase.bundoc.query.filters import Path
from bunbase.bundoc.query.predicate import candidates
from bunbase.bundoc.query.text import Term
from bunbase.contracts.bundoc.collections import IndexSpec

BETWEEN: Final = "\n\ue000\n"  # No search can contain this word. The word separates the strings of an array.


def fts_columns(definition: IndexSpec) -> str:
    """Return the columns and the tokenizer of an FTS5 table."""
    columns = ", ".join(f"c{column}" for column in range(len(definition.fields)))
    stemming = "porter " if definition.stemming == "english" else ""
    prefix = ", prefix='2 3'" if definition.prefix else ""
    return f"{columns}, tokenize='{stemming}unicode61 remove_diacritics 2'{prefix}"


def any_of(terms: tuple[Term, ...]) -> str:
    """Return an FTS5 expression that matches any of the terms; each is quoted as a string."""
    return "(" + " OR ".join(_quoted(term) for term in terms) + ")"


def text_at(value: Any, path: Path) -> str:
    """Return all strings at the path, joined by BETWEEN, so that no phrase can match across two strings."""
    return BETWEEN.join(one for one in candidates(value, path) if isinstance(one, str))


def _quoted(term: Term) -> str:
    return '"' + term.text.replace('"', '""') + '"' + "*" * term.prefix
