"""Create, alter, measure and drop collections. The work is done in short tasks between the writes.

A new index is declared first, and all later writes update it. Bundoc adds the stored documents to the index in batches.
Queries use the index when it is complete. After a crash, the build continues when the file is opened.

If the specification no longer has an index, Bundoc drops the index at once if no other index is being built. Otherwise
the old index retires: queries use it until the new index of the same name is complete. If no new index has its name,
queries use the old index until all new indexes are complete. If stored documents violate a new index, the new index is
dropped, and the indexes that it should replace stay. So a unique index never ends before the next index begins.
"""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec
from msgspec import UNSET

from bunbase.bundoc.definition import Definition, Terms, altered, read_definition, written_definition
from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.sqlite_engine.expiry import ALIVE, CREATE_INDEX
from bunbase.bundoc.sqlite_engine.index_tables import (
    MOST_KEPT,
    built_until,
    create_index,
    drop_index,
    finish_index,
    index_tables,
    restore_index,
    retire_index,
)
from bunbase.bundoc.sqlite_engine.kept_index import KeptIndex
from bunbase.bundoc.sqlite_engine.referring import check_unreferenced
from bunbase.bundoc.sqlite_engine.steps import delete_expired
from bunbase.bundoc.sqlite_engine.tables import Table, table_of
from bunbase.bundoc.sqlite_engine.transaction import Transaction
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.problems import BundocBusy, InvalidDocument, UniqueViolation
from bunbase.pkg.errors import InvalidInput

# At most this many documents are added to an index at a time. Writes wait meanwhile: about 5 ms, or 30 ms for long
# texts.
BATCH: Final = 200
BATCH_BYTES: Final = 2 << 20  # a batch ends after this many bytes
# A batch ends after this many index entries. Without this limit, 200 arrays of 1000 elements took 3 s on a busy 2-core
# machine.
BATCH_ENTRIES: Final = 5000

# All definitions of a project have at most this size together, because one answer lists all of them.
MAX_DEFINED_BYTES: Final = 8 << 20

BATCH_AFTER: Final = (
    "SELECT n, id, rev, created, updated, CAST(body AS BLOB) FROM docs_N WHERE n > ? ORDER BY n LIMIT ?"
)
ALL: Final = "SELECT id, name, created, definition FROM collections ORDER BY name"
ONE: Final = "SELECT id, name, created, definition FROM collections WHERE name = ?"
DEFINE: Final = "UPDATE collections SET definition = ? WHERE id = ?"
LAST: Final = "SELECT coalesce(max(n), 0) FROM docs_N"
DEFINED: Final = """
SELECT (SELECT coalesce(sum(octet_length(definition)), 0) FROM collections)
     + (SELECT coalesce(sum(octet_length(definition)), 0) FROM indexes)"""
SIZE: Final = "SELECT count(*), coalesce(sum(octet_length(body)), 0) FROM docs_N"
LIVING_SIZE: Final = f"{SIZE} WHERE {ALIVE}"


class Declared(msgspec.Struct, frozen=True):
    """The work that must follow a declaration.

    `building`: the numbers of the indexes to build. `referring`: those of these indexes that the schema needs.
    `retiming`: true if the expiry time of every document must be read again.
    """

    building: list[int]
    referring: list[int]
    retiming: bool


class Declare:
    """Change the collection to `spec`. The slow parts of the work are not done here, but returned as Declared."""

    def __init__(self, collection: str, spec: CollectionSpec) -> None:
        self.collection = collection
        self.spec = spec

    def perform(self, transaction: Transaction) -> Declared:
        connection = transaction.connection
        defined: int = connection.execute(DEFINED).get
        table = transaction.table(self.collection) or transaction.begin_collection(self.collection)
        before = table.terms.definition
        definition = altered(before, self.spec)
        declared = _declared_indexes(table) if self.spec.indexes is UNSET else self.spec.indexes
        _declare_indexes(connection, table, declared + _for_references(definition))
        if definition != before:
            connection.execute(DEFINE, (written_definition(definition), table.number))
        _check_defined(connection, defined)
        if definition.expires:
            connection.execute(CREATE_INDEX.replace("docs_N", table.name).replace("expires_N", f"ends_{table.number}"))
        now = _show_table(transaction, self.collection, table.number)
        building = [index for index in now.indexes if not index.ready]
        referring = [index.number for index in building if index.system]
        return Declared([index.number for index in building], referring, definition.retiming)


class Retime:
    """Read the expiry time of a batch of documents. Do nothing if all expiry times are known.

    Return the number of the last document in the batch, None if it was the last batch.
    """

    def __init__(self, collection: str, after: int) -> None:
        self.collection = collection
        self.after = after

    def perform(self, transaction: Transaction) -> int | None:
        connection, table = transaction.connection, transaction.table(self.collection)
        if table is None or not table.terms.definition.retiming:
            return None
        rows, more = _batch(connection, table, self.after)
        for _, *document in rows:
            table.end(connection, StoredDocument(*document))
        if more:
            return int(rows[-1][0])
        done = msgspec.structs.replace(table.terms.definition, retiming=False)
        connection.execute(DEFINE, (written_definition(done), table.number))
        _show_table(transaction, self.collection, table.number)
        return None


class Expire:
    """Delete a batch of expired documents. Return True if the batch was not empty."""

    def __init__(self, collection: str) -> None:
        self.collection = collection

    def perform(self, transaction: Transaction) -> bool:
        table = transaction.table(self.collection)
        return table is not None and bool(table.expires) and delete_expired(transaction, self.collection, table)


class Build:
    """Add the next batch of documents to an index. Return True if more documents follow.

    If a document violates the index, drop the index, keep the indexes that it should replace, and return the Problem.
    Raising the Problem would undo the drop.
    """

    def __init__(self, collection: str, number: int) -> None:
        self.collection = collection
        self.number = number

    def perform(self, transaction: Transaction) -> bool | Exception:
        connection, table = transaction.connection, transaction.table(self.collection)
        index = next((one for one in table.indexes if one.number == self.number), None) if table else None
        if table is None or index is None or index.ready:
            return False  # The index was dropped or completed meanwhile.
        try:
            last = self._bring_in(connection, table, index)
        except (UniqueViolation, InvalidDocument) as problem:
            _give_up(connection, table, index)
            _show_table(transaction, self.collection, table.number)
            return problem
        if last is None:
            _finish(connection, table, index)
        else:
            built_until(connection, self.number, last)
        _show_table(transaction, self.collection, table.number)
        return last is not None

    def _bring_in(self, connection: apsw.Connection, table: Table, index: KeptIndex) -> int | None:
        """Add a batch. Return the number of the last document in the batch, None if it was the last batch."""
        rows = connection.execute(BATCH_AFTER.replace("docs_N", table.name), (index.built, BATCH))
        documents = size = 0
        before = connection.total_changes()
        last: int | None = None
        try:
            for last, *fields in rows:
                document = StoredDocument(*fields)
                index.add(connection, document)
                documents += 1
                size += len(document.body)
                if size >= BATCH_BYTES or connection.total_changes() - before >= BATCH_ENTRIES:
                    return last
        finally:
            rows.close()  # SQLite cannot drop an index while a cursor is open.
        return last if documents == BATCH else None


class Drop:
    """Delete a batch of documents, with entries in the change log. After the last document, delete the collection too.

    Return True if documents are left, None if the collection does not exist. Raises: CollectionReferenced.
    """

    def __init__(self, collection: str) -> None:
        self.collection = collection

    def perform(self, transaction: Transaction) -> bool | None:
        connection, table = transaction.connection, transaction.table(self.collection)
        if table is None:
            return None
        check_unreferenced(transaction, self.collection)
        rows, more = _batch(connection, table, 0)
        highest = 0
        for _, *document in rows:
            stored = StoredDocument(*document)
            highest = max(highest, stored.rev)
            table.delete(connection, stored.id)
            transaction.record(self.collection, table, stored, None)
        transaction.revisions.raise_floor(connection, self.collection, highest)
        if more:
            return True
        transaction.revisions.drop(connection, self.collection, table.number)
        for index in table.indexes:
            drop_index(connection, index)
        connection.execute(f"DROP TABLE {table.name}")
        connection.execute("DELETE FROM collections WHERE id = ?", (table.number,))
        transaction.altered[self.collection] = None
        return False


def _encoded(definition: IndexSpec) -> bytes:
    """Return the definition as JSON, for comparisons. In Python, filters with 1 and with True would be equal."""
    return msgspec.json.encode(definition)


def all_collections(connection: apsw.Connection) -> tuple[Collection, ...]:
    rows: list[Any] = connection.execute(ALL).fetchall()
    return tuple(_collection(connection, *row) for row in rows)


def measured_collection(connection: apsw.Connection, name: str) -> Collection | None:
    row: Any = connection.execute(ONE, (name,)).get
    if row is None:
        return None
    size: Any = connection.execute(LIVING_SIZE.replace("docs_N", f"docs_{row[0]}")).fetchall()[0]
    found = _collection(connection, *row)
    return msgspec.structs.replace(found, documents=size[0], bytes=size[1])


def _collection(connection: apsw.Connection, number: int, name: str, created: str, definition: str) -> Collection:
    indexes = index_tables(connection, number)
    building = any(not index.ready for index in indexes)
    last = connection.execute(LAST.replace("docs_N", f"docs_{number}")).get if building else 0
    known = read_definition(definition).definition
    strict = known.strict if known.schema else None
    states = tuple(index.state(last) for index in indexes if not index.retiring)
    return Collection(
        name,
        created,
        states,
        known.rules,
        known.expires,
        known.schema,
        strict,
        known.before_images,
        before_write=known.before_write,
        max_scan=known.max_scan,
    )


def _batch(connection: apsw.Connection, table: Table, after: int) -> tuple[list[tuple[Any, ...]], bool]:
    """Return the rows of the next documents after the number `after`, and True if more may follow."""
    found: list[tuple[Any, ...]] = []
    size = 0
    rows = connection.execute(BATCH_AFTER.replace("docs_N", table.name), (after, BATCH))
    try:
        for row in rows:
            found.append(row)
            size += len(row[-1])
            if size >= BATCH_BYTES:
                return found, True
    finally:
        rows.close()
    return found, len(found) == BATCH


def _check_defined(connection: apsw.Connection, before: int) -> None:
    """Check the size of all definitions.

    Raises: InvalidInput if the size is above the limit and larger than `before`."""
    if before < connection.execute(DEFINED).get > MAX_DEFINED_BYTES:
        limit = f"at most {MAX_DEFINED_BYTES >> 20} MiB in total"
        raise InvalidInput.at("", f"The schemas, rules and indexes of a project can have {limit}.")


def _declared_indexes(table: Table) -> tuple[IndexSpec, ...]:
    return tuple(index.definition for index in table.indexes if not index.system and not index.retiring)


def _for_references(definition: Definition) -> tuple[IndexSpec, ...]:
    """Return the indexes that a deletion uses to find the documents that refer to the deleted document."""
    return tuple(IndexSpec((one.field,), one.index_name) for one in Terms(definition).references)


def _declare_indexes(connection: apsw.Connection, table: Table, indexes: tuple[IndexSpec, ...]) -> None:
    """Begin the change to these indexes. Raises: BundocBusy if too many indexes of earlier changes still exist."""
    wanted = {_encoded(definition) for definition in indexes}
    kept = [index for index in table.indexes if _encoded(index.definition) in wanted]
    new = [
        definition for definition in indexes if _encoded(definition) not in {_encoded(one.definition) for one in kept}
    ]
    building = bool(new) or not all(index.ready for index in kept)
    replaced = [index for index in table.indexes if index not in kept and index.ready and building]
    if new and len(kept) + len(replaced) + len(new) > MOST_KEPT:
        raise BundocBusy("Indexes of an earlier change are still being built; try again when they are ready.")
    for index in table.indexes:
        if index in replaced:
            retire_index(connection, index)
        elif index not in kept:
            drop_index(connection, index)
    for index in kept:
        if index.retiring:
            restore_index(connection, index)
    for definition in new:
        create_index(connection, table.number, definition)


def _finish(connection: apsw.Connection, table: Table, index: KeptIndex) -> None:
    """Drop the indexes that this index replaces.

    After the last build, drop all indexes that the specification no longer has.
    """
    finish_index(connection, index.number)
    last = all(one.ready for one in table.indexes if one is not index)
    for one in table.indexes:
        if one.retiring and (last or one.definition.name == index.definition.name):
            drop_index(connection, one)


def _give_up(connection: apsw.Connection, table: Table, index: KeptIndex) -> None:
    """Drop an index that stored documents violate. Restore a retiring index if no other index has its name."""
    drop_index(connection, index)
    names = {one.definition.name for one in table.indexes if one is not index and not one.retiring}
    for one in table.indexes:
        if one.retiring and one.definition.name not in names:
            restore_index(connection, one)


def _show_table(transaction: Transaction, collection: str, number: int) -> Table:
    """Make the present indexes of the collection visible to later writes, and after the commit also to readers."""
    table = transaction.altered[collection] = table_of(transaction.connection, number)
    return table
