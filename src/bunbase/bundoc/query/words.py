"""How texts are cut into words and words are sought, in the terms of SQLite's FTS5.

Indexes and highlights share it: what is marked is what was found.
"""

from __future__ import annotations

from typing import Any, Final

from bunbase.bundoc.query.filters import Path
from bunbase.bundoc.query.predicate import candidates
from bunbase.bundoc.query.text import Term
from bunbase.contracts.collections import IndexSpec

BETWEEN: Final = "\n\ue000\n"  # a word that nobody can search for, between the strings of an array


def fts_columns(definition: IndexSpec) -> str:
    """Give columns and tokenizer of a table of FTS5."""
    columns = ", ".join(f"c{column}" for column in range(len(definition.fields)))
    stemming = "porter " if definition.stemming == "english" else ""
    prefix = ", prefix='2 3'" if definition.prefix else ""
    return f"{columns}, tokenize='{stemming}unicode61 remove_diacritics 2'{prefix}"


def any_of(terms: tuple[Term, ...]) -> str:
    """Give an expression of FTS5 that none of the terms can be anything in but a string."""
    return "(" + " OR ".join(_quoted(term) for term in terms) + ")"


def text_at(value: Any, path: Path) -> str:
    """Give all strings at the path, with what no phrase reaches across between them."""
    return BETWEEN.join(one for one in candidates(value, path) if isinstance(one, str))


def _quoted(term: Term) -> str:
    return '"' + term.text.replace('"', '""') + '"' + "*" * term.prefix
