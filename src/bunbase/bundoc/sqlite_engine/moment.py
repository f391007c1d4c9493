"""One snapshot of a whole project, for live queries.

The documents, rules and newest change of a snapshot belong together.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import apsw

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.engine import Logged
from bunbase.bundoc.query.search import Found, Search, nothing_found
from bunbase.bundoc.sqlite_engine.change_log import logged, position
from bunbase.bundoc.sqlite_engine.expiry import next_end
from bunbase.bundoc.sqlite_engine.searching import Searching
from bunbase.bundoc.sqlite_engine.tables import Table, found_table
from bunbase.contracts.bundoc.problems import QueryTooSlow
from bunbase.pkg.sealed_sqlite.scanners import current_scan


class SqliteMoment:
    """Implements `bundoc.engine.Moment`, whose docstrings describe the methods.

    `known`: the collections in the state that the writer has, which may be older or newer than the snapshot. A known
    collection is used only if the snapshot has the same definition; then its rules need not be compiled again.
    """

    def __init__(self, connection: apsw.Connection, known: Mapping[str, Table]) -> None:
        self.connection = connection
        self.known = known
        self.epoch, self.seq = position(connection)  # This is the first read, which begins the snapshot.
        self.tables: dict[str, Table | None] = {}

    def allow(self, seconds: float) -> None:
        current_scan().until = time.monotonic() + seconds

    def terms(self, collection: str) -> Terms | None:
        table = self._table(collection)
        return None if table is None else table.terms

    def lookup(self, collection: str, id: str) -> StoredDocument | None:
        table = self._table(collection)
        try:
            return None if table is None else table.get(self.connection, id)
        except apsw.InterruptError:
            raise _too_slow() from None

    def search(self, collection: str, search: Search) -> Found:
        table = self._table(collection)
        search = search.settled(self.lookup)
        if table is None or search.nothing:
            return nothing_found(search)
        searching = Searching(self.connection, table, search, self.lookup)
        try:
            return searching.found()
        except apsw.InterruptError:
            raise _too_slow() from None
        finally:
            searching.close()

    def next_end(self, collection: str, since: int) -> int | None:
        table = self._table(collection)
        return next_end(self.connection, table.name, since) if table is not None and table.expires else None

    def logged(self, since: int, most: int) -> Logged:
        return logged(self.connection, since, most)

    def _table(self, collection: str) -> Table | None:
        if collection not in self.tables:
            self.tables[collection] = found_table(self.connection, collection, self.known.get(collection))
        return self.tables[collection]


def _too_slow() -> QueryTooSlow:
    return QueryTooSlow("This live query takes too long: narrow its filter, or simplify the rules.")
