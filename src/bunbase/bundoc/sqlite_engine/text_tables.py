"""A text index is an FTS5 table of SQLite. The index stores words and their positions, but not the text.

The table is in the project's encrypted file, like all other data. FTS5 never parses the text of a caller: Bundoc parses
it to a tree, and each word or phrase of the tree becomes a quoted string.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import apsw

from bunbase.bundoc.query.parse import parse_path
from bunbase.bundoc.query.text import TextSearch
from bunbase.bundoc.query.words import any_of, fts_columns, text_at
from bunbase.bundoc.sqlite_engine.kept_index import KeptIndex
from bunbase.contracts.bundoc.collections import IndexSpec

LOCAL_SCORE: Final = "bundoc_local_score"

# These are parameters of bm25. LENGTH is a constant, because the mean number of words would depend on all documents.
SATURATION: Final = 1.2
LENGTH_WEIGHT: Final = 0.75
LENGTH: Final = 100


class TextTable(KeptIndex):
    """An index of words."""

    def __init__(self, number: int, collection: int, definition: IndexSpec, stage: int, built: int) -> None:
        super().__init__(number, definition, stage, built)
        self.paths = tuple(parse_path(field, "/fields") for field in definition.fields)
        self.weights = tuple(float(definition.weights.get(field, 1.0)) for field in definition.fields)
        columns = ", ".join(f"c{column}" for column in range(len(self.paths)))
        values = ", ".join("?" for _ in self.paths)
        self.docs = f"docs_{collection}"
        self.insert_sql = (
            f"INSERT OR REPLACE INTO {self.name} (rowid, {columns}) SELECT n, {values} FROM {self.docs} WHERE id = ?"
        )
        self.delete_sql = f"DELETE FROM {self.name} WHERE rowid = (SELECT n FROM {self.docs} WHERE id = ?)"

    @property
    def name(self) -> str:
        return f"text_{self.number}"

    @property
    def create_sql(self) -> str:
        return (
            f"CREATE VIRTUAL TABLE {self.name} USING fts5({fts_columns(self.definition)}, content='', "
            f"contentless_delete=1)"
        )

    def put(self, connection: apsw.Connection, id: str, value: Any) -> None:
        texts = [text_at(value, path) for path in self.paths]
        if any(texts):
            connection.execute(self.insert_sql, (*texts, id))

    def take(self, connection: apsw.Connection, id: str, value: Any) -> None:
        connection.execute(self.delete_sql, (id,))

    def score(self, local: TextSearch | None) -> str:
        """Return SQL for the score of a row. A higher score is a better match.

        `local`: return a score that depends only on this row and on the searched fields. The usual score (bm25) would
        reveal facts about documents and fields that rules hide from the caller: how many documents contain a word, and
        how long the other fields of the row are.
        """
        if local is None:
            return f"-bm25({self.name}, {', '.join(map(repr, self.weights))})"
        asked = [
            weight if not local.fields or field in local.fields else 0.0
            for field, weight in zip(self.definition.fields, self.weights, strict=True)
        ]
        return f"{LOCAL_SCORE}({self.name}, {', '.join(map(repr, asked))})"

    def match(self, sought: TextSearch) -> str:
        """Return the search as an FTS5 expression."""
        columns = " ".join(
            f"c{number}"
            for number, field in enumerate(self.definition.fields)
            if not sought.fields or field in sought.fields
        )
        wanted = " AND ".join(any_of(group) for group in sought.all)
        without = f" NOT {any_of(sought.none)}" if sought.none else ""
        return f"{{{columns}}} : (({wanted}){without})"


def prepare_scores(connection: apsw.Connection, left: Callable[[], float]) -> None:
    """Register the local score on a connection.

    `left`: a function that returns the remaining seconds of the present search.
    """
    connection.register_fts5_function(LOCAL_SCORE, partial(_local_score, left))


def _local_score(left: Callable[[], float], api: apsw.FTS5ExtensionApi, *weights: Any) -> float:
    """Return bm25 as if all words were equally rare. A weight of 0 means that the column is not searched."""
    words = sum([api.column_size(column) for column, weight in enumerate(weights) if weight])
    length = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * words / LENGTH
    score = 0.0
    for phrase in range(api.phrase_count):
        if left() < 0:
            raise apsw.InterruptError("while a document was scored")
        places = api.phrase_locations(phrase)
        often = sum(weight * len(found) for weight, found in zip(weights, places, strict=True))
        score += often * (SATURATION + 1) / (often + SATURATION * length)
    return score
