"""The steps of a commit inside its transaction, and the end of documents whose time has passed."""

from __future__ import annotations

from bunbase.bundoc import writes
from bunbase.bundoc.definition import NO_TERMS
from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.sqlite_engine.index_tables import IndexTable
from bunbase.bundoc.sqlite_engine.referring import Written, check_fits, delete
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.bundoc.sqlite_engine.transaction import Transaction
from bunbase.bundoc.writes import Committed, Met, Step
from bunbase.contracts.bundoc import BundocBusy, InvalidDocument
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")


def do_steps(transaction: Transaction, steps: tuple[Step, ...], depth: int = 0) -> Committed:
    """Do all steps; `depth`: of the run of a function that writes, 0 outside of triggers.

    Raises: the Problem of the first step that fails, with the number of that step as `write`.
    """
    results: list[StoredDocument | None] = []
    created: list[bool] = []
    transaction.depth = depth
    try:
        for step in steps:
            known = len(transaction.entries)
            results.append(_do(transaction, step))
            created.append(len(transaction.entries) > known and transaction.entries[-1][1] == "create")
    except Problem as problem:
        problem.extra["write"] = len(results)
        raise
    finally:
        transaction.depth = 0
    return Committed(transaction.seq, tuple(results), tuple(created))


def expire(transaction: Transaction, collection: str, table: Table) -> bool:
    """Delete some documents whose time has passed. True if any could be deleted."""
    ended = table.expired(transaction.connection)
    try:
        for document in ended:
            _end(transaction, collection, table, document)
    except BundocBusy:
        return False  # the next round is soon
    return bool(ended)


def _do(transaction: Transaction, step: Step) -> StoredDocument | None:
    collection, write = step.collection, step.write
    table = transaction.table(collection)
    before = _living(transaction, collection, table, write.id) if table is not None else None
    met = Met(before, transaction.now, transaction.last_revision(collection, table, before, write.id))
    if step.guard is None:
        after = writes.outcome(write, met)
    else:
        terms = table.terms if table is not None else NO_TERMS
        after = step.guard.outcome(collection, terms, write, met, transaction.lookup)
    if after is before:
        return after
    if after is not None and table is not None:
        if table.expires and _clear_way(transaction, collection, table, after):
            return _do(transaction, step)  # a deletion above may have deleted or changed this document as well
        try:
            if table.terms.schema is not None or table.references:  # few have one: the other collections save 0.3 µs
                check_fits(transaction, Written(collection, table, before, after, step.guard))
        except InvalidDocument as problem:
            if step.guard is None:
                raise
            step.guard.refused(problem, collection, table.terms, write, before, transaction.now, transaction.lookup)
    if table is None:
        table = transaction.begin(collection)
    if after is None:
        assert before is not None  # only an existing document is deleted
        delete(transaction, collection, before)
        return None
    if before is None:
        table.insert(transaction.connection, after)
        if after.rev > 1:
            transaction.revisions.revive(transaction.connection, table.number, after.id)
    else:
        table.update(transaction.connection, after)
    transaction.log(collection, before, after)
    return after


def _living(transaction: Transaction, collection: str, table: Table, id: str) -> StoredDocument | None:
    """Return the document. An expired document with this id is deleted first, so that the id is free."""
    found = table.get(transaction.connection, id)
    if found is None and table.expires and (ended := table.stored(transaction.connection, id)) is not None:
        _end(transaction, collection, table, ended)
    return found


def _clear_way(transaction: Transaction, collection: str, table: Table, after: StoredDocument) -> bool:
    """Delete expired documents that hold a value of `after` in a unique index. True if there were any."""
    unique = [index for index in table.indexes if isinstance(index, IndexTable) and index.definition.unique]
    holders = {id for index in unique for id in index.in_the_way(transaction.connection, after)}
    ended = [
        table.stored(transaction.connection, id) for id in holders if table.get(transaction.connection, id) is None
    ]
    for document in ended:
        assert document is not None  # the index names it
        _end(transaction, collection, table, document)
    return bool(ended)


def _end(transaction: Transaction, collection: str, table: Table, document: StoredDocument) -> None:
    """Delete an expired document with all that depends on it; if those forbid it, delete the document alone.

    Raises: BundocBusy while an index that finds the dependent documents is being built.
    """
    result = transaction.attempt(lambda transaction: delete(transaction, collection, document, always=True))
    if isinstance(result, Problem) and not isinstance(result, BundocBusy):
        log.warning("documents that refer to an expired one were left", collection=collection, reason=result.detail)
        transaction.remove(collection, table, document)
    elif isinstance(result, Exception):
        raise result
