"""What all indexes of a collection have in common, whatever they keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.documents import StoredDocument, seen
from bunbase.bundoc.query.filters import EVERYTHING, Filter
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.schema.references import INDEX_PREFIX
from bunbase.contracts.collections import IndexSpec, IndexState

FILTERS_KEPT: Final = 512

value_of: Final = msgspec.json.Decoder().decode


@lru_cache(FILTERS_KEPT)
def _filter(text: bytes) -> Filter:
    """Each search looks up its indexes anew; their filters are read once."""
    return parse_where(text, kept=True)


class KeptIndex(ABC):
    """One index. `definition` is what it was asked for as; `built`: the last document that a build has brought in.

    `where`: the filter that a document must fulfil to be in it. `system`: the schema made it, for a field that refers.
    """

    def __init__(self, number: int, definition: IndexSpec, ready: bool, built: int) -> None:
        self.number = number
        self.definition = definition
        self.ready = ready
        self.built = built
        self.system = definition.name.startswith(INDEX_PREFIX)
        self.partial = definition.where is not None
        self.where = _filter(msgspec.json.encode(definition.where)) if self.partial else EVERYTHING

    @property
    @abstractmethod
    def name(self) -> str:
        """The table's."""

    @property
    @abstractmethod
    def create_sql(self) -> str: ...

    def add(self, connection: apsw.Connection, document: StoredDocument) -> None:
        """Again is harmless. Raises: UniqueViolation, InvalidDocument."""
        value = value_of(seen(document))
        if self._knows(value):
            self.put(connection, document.id, value)

    def add_again(self, connection: apsw.Connection, document: StoredDocument) -> None:
        """Add a document that the index knew before it was made anew: nothing is refused."""
        value = value_of(seen(document))
        if self._knows(value):
            self.put_again(connection, document.id, value)

    def remove(self, connection: apsw.Connection, document: StoredDocument) -> None:
        """Take the document out; if it is not in, that is harmless."""
        value = value_of(seen(document))
        if self._knows(value):
            self.take(connection, document.id, value)

    @abstractmethod
    def put(self, connection: apsw.Connection, id: str, value: Any) -> None: ...

    def put_again(self, connection: apsw.Connection, id: str, value: Any) -> None:
        self.put(connection, id, value)

    @abstractmethod
    def take(self, connection: apsw.Connection, id: str, value: Any) -> None: ...

    def state(self, last: int) -> IndexState:
        """`last`: the newest document's number."""
        progress = None if self.ready else round(min(1.0, self.built / max(1, last)), 3)
        return IndexState(
            ready=self.ready, progress=progress, system=self.system, **msgspec.structs.asdict(self.definition)
        )

    def _knows(self, value: Any) -> bool:
        return not self.partial or matches(self.where, value)
