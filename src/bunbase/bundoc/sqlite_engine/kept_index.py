"""The base class of all indexes of a collection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.bundoc.query.filters import EVERYTHING, Filter
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.schema.references import INDEX_PREFIX
from bunbase.contracts.bundoc.collections import IndexSpec, IndexState

FILTERS_KEPT: Final = 512

# The stages of an index, as numbers in the column `ready`.
BUILDING: Final = 0
READY: Final = 1
RETIRING: Final = 2

value_of: Final = msgspec.json.Decoder().decode


@lru_cache(FILTERS_KEPT)
def _filter(text: bytes) -> Filter:
    """Parse the filter of an index. Parsed filters are cached, since each search reads the indexes again."""
    return parse_where(text, kept=True)


class KeptIndex(ABC):
    """One index.

    `definition`: the specification that the caller sent. `built`: the number of the last document that the build has
    added.
    `where`: the filter of the index. The index has only documents that match this filter. `system`: true if the index
    serves a reference in the schema.
    `ready`: true if the index is complete, so that queries use it. `retiring`: true if the index is complete, but will
    be dropped. A retiring index stays in use until the new indexes are complete.
    """

    def __init__(self, number: int, definition: IndexSpec, stage: int, built: int) -> None:
        self.number = number
        self.definition = definition
        self.ready = stage != BUILDING
        self.retiring = stage == RETIRING
        self.built = built
        self.system = definition.name.startswith(INDEX_PREFIX)
        self.partial = definition.where is not None
        self.where = _filter(msgspec.json.encode(definition.where)) if self.partial else EVERYTHING

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the table of this index."""

    @property
    @abstractmethod
    def create_sql(self) -> str: ...

    def add(self, connection: apsw.Connection, document: StoredDocument) -> None:
        """Add a document. Idempotent. Raises: UniqueViolation, InvalidDocument."""
        value = value_of(with_system_fields(document))
        if self._knows(value):
            self.put(connection, document.id, value)

    def add_again(self, connection: apsw.Connection, document: StoredDocument) -> None:
        """Add a document again when the index is rebuilt. The rebuild refuses no document."""
        value = value_of(with_system_fields(document))
        if self._knows(value):
            self.put_again(connection, document.id, value)

    def remove(self, connection: apsw.Connection, document: StoredDocument) -> None:
        """Remove a document. Idempotent."""
        value = value_of(with_system_fields(document))
        if self._knows(value):
            self.take(connection, document.id, value)

    @abstractmethod
    def put(self, connection: apsw.Connection, id: str, value: Any) -> None: ...

    def put_again(self, connection: apsw.Connection, id: str, value: Any) -> None:
        self.put(connection, id, value)

    @abstractmethod
    def take(self, connection: apsw.Connection, id: str, value: Any) -> None: ...

    def state(self, last: int) -> IndexState:
        """Return the state of the index. `last`: the number of the newest document."""
        progress = None if self.ready else round(min(1.0, self.built / max(1, last)), 3)
        return IndexState(
            ready=self.ready, progress=progress, system=self.system, **msgspec.structs.asdict(self.definition)
        )

    def _knows(self, value: Any) -> bool:
        return not self.partial or matches(self.where, value)
