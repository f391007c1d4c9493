"""The steps of one commit in the writer's transaction, each with all of its effects."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc import writes
from bunbase.bundoc.definition import ABSENT
from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.questions import Questions, Unanswered, decided
from bunbase.bundoc.sqlite_engine import kept_answers
from bunbase.bundoc.sqlite_engine.expiry import EXPIRED_ROWS_AT_ONCE
from bunbase.bundoc.sqlite_engine.index_tables import IndexTable
from bunbase.bundoc.sqlite_engine.referring import PendingWrite, check_fits, delete
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.bundoc.sqlite_engine.transaction import Transaction
from bunbase.bundoc.update.costs import CommitWork
from bunbase.bundoc.writes import CommitStep, Committed, Create, Met, Put
from bunbase.contracts.bundoc.problems import BundocBusy, InvalidDocument
from bunbase.contracts.functions.hooks import UnusableAnswer
from bunbase.pkg.errors import Problem
from bunbase.pkg.idempotency import Attempt
from bunbase.pkg.logger import logger

log = logger("bundoc")

NO_BODY: Final = b"{}"


def do_steps(
    transaction: Transaction, steps: tuple[CommitStep, ...], depth: int = 0, with_bodies: bool = True
) -> Committed:
    """Do all steps of one commit.

    `with_bodies`: true if results have the bodies of documents. Small patches may change 500 MB of documents, and the
    results of a whole batch of commits wait in memory until the fsync.
    Raises: the error of the first step that fails; a Problem has the index of this step as `write`. Also raises
    Unanswered if rules and schemas allow all steps, but a function must first decide about some of them.
    """
    results: list[StoredDocument | None] = []
    created: list[bool] = []
    questions = Questions()
    transaction.depth, transaction.work = depth, CommitWork()
    try:
        for step in steps:
            known = len(transaction.entries)
            after = _do_step(transaction, step, questions)
            results.append(after if with_bodies or after is None else msgspec.structs.replace(after, body=NO_BODY))
            created.append(len(transaction.entries) > known and transaction.entries[-1][1] == "create")
    except Problem as problem:
        problem.extra["write"] = len(results)
        raise
    finally:
        transaction.worked += transaction.work.done
        transaction.depth = 0
    if questions.asked:
        raise Unanswered(tuple(questions.asked))
    return Committed(transaction.seq, tuple(results), tuple(created), transaction.epoch)


def do_once(
    transaction: Transaction, steps: tuple[CommitStep, ...], depth: int, attempt: Attempt, with_bodies: bool
) -> Committed:
    """Do all steps of one commit, or return the result of an earlier attempt.

    Raises: IdempotencyMismatch, IdempotencyTooLarge, and the errors of `do_steps`; then nothing is stored for the key.
    """
    kept = kept_answers.find(transaction.connection, attempt, transaction.now)
    if kept is None:
        done = do_steps(transaction, steps, depth, with_bodies)
        kept_answers.keep(transaction.connection, attempt, done, transaction.now, with_bodies)
        transaction.kept += 1
        return done
    results = [
        kept_answers.restored(one, transaction.lookup(step.collection, one.id) if one else None)
        if with_bodies
        else kept_answers.bare(one)
        for step, one in zip(steps, kept.results, strict=True)
    ]
    return Committed(kept.seq, tuple(results), kept.created, transaction.epoch, replayed=True)


def delete_expired(transaction: Transaction, collection: str, table: Table) -> bool:
    """Delete a batch of expired documents. Return True if the batch was not empty; then more documents may be expired.

    Return False while an index that deletions need is being built: the next round of upkeep tries again.
    """
    ended = table.expired(transaction.connection)
    changes = transaction.connection.total_changes()
    try:
        for document in ended:
            _end_document(transaction, collection, table, document)
            if transaction.connection.total_changes() - changes >= EXPIRED_ROWS_AT_ONCE:
                break
    except BundocBusy:
        return False
    return bool(ended)


def _do_step(transaction: Transaction, step: CommitStep, questions: Questions) -> StoredDocument | None:
    """Do one step. If a function must first decide about the step, add a question; the commit then fails at its end."""
    collection, write = step.collection, step.write
    table = transaction.table(collection)
    before = _living(transaction, collection, table, write.id) if table is not None else None
    last = _last_revision(transaction, collection, table, before, write.id)
    met = Met(collection, before, transaction.now, last, transaction.work)
    if table is not None and not table.plain and isinstance(write, Create | Put) and table.terms.schema is not None:
        write = writes.with_defaults(write, table.terms.defaults)
    if step.guard is None:
        after = writes.outcome(write, met)
    else:
        terms = table.terms if table is not None else ABSENT
        after = step.guard.outcome(collection, terms, write, met, transaction.lookup)
    if after is before:
        return after
    if table is not None and not table.plain:
        asked = questions.mark
        if table.before_write is not None:
            after = decided(step, table.before_write, before, after, questions)
        if after is not None:
            if table.expires and _clear_way(transaction, collection, table, after):
                questions.forget_from(asked)
                return _do_step(transaction, step, questions)  # The deletions may have changed this document too.
            if table.terms.schema is not None:
                _check_fits(transaction, step, table, before, after)
    if table is None:
        table = transaction.begin_collection(collection)
    if after is None:
        assert before is not None  # There was a document to delete.
        delete(transaction, collection, before)
        return None
    _store(transaction, table, before, after)
    transaction.record(collection, table, before, after)
    return after


def _check_fits(
    transaction: Transaction, step: CommitStep, table: Table, before: StoredDocument | None, after: StoredDocument
) -> None:
    """Check the document against its schema.

    Raises: InvalidDocument, or another Problem from `Guard.refused`. UnusableAnswer if the document does not match
    because of the changes of a function.
    """
    try:
        check_fits(transaction, PendingWrite(step.collection, table, before, after, step.guard))
    except InvalidDocument as problem:
        if step.verdict is not None and step.verdict.patched:
            reason = f"The schema refuses the document with this patch. {problem.detail}"
            raise UnusableAnswer(step.verdict.hook.function, reason, problem.code) from None
        if step.guard is None:
            raise
        step.guard.refused(
            problem, step.collection, table.terms, step.write, before, transaction.now, transaction.lookup
        )


def _store(transaction: Transaction, table: Table, before: StoredDocument | None, after: StoredDocument) -> None:
    if before is not None:
        table.update(transaction.connection, after)
        return
    table.insert(transaction.connection, after)
    if after.rev > 1:
        transaction.revisions.revive(transaction.connection, table.number, after.id)


def _living(transaction: Transaction, collection: str, table: Table, id: str) -> StoredDocument | None:
    """Return the document, None if it does not exist. Delete an expired document that still has the id."""
    found = table.get(transaction.connection, id)
    if found is None and table.expires and (ended := table.stored(transaction.connection, id)) is not None:
        _end_document(transaction, collection, table, ended)
    return found


def _last_revision(
    transaction: Transaction, collection: str, table: Table | None, before: StoredDocument | None, id: str
) -> int:
    """Return a number that the next revision of this id must exceed, in addition to the revision of the document
    itself.
    """
    if before is not None:
        return transaction.revisions.floor
    number = table.number if table else None
    return transaction.revisions.last(transaction.connection, collection, number, id)


def _clear_way(transaction: Transaction, collection: str, table: Table, after: StoredDocument) -> bool:
    """Delete expired documents with the same unique values as `after`. Return True if there were such documents."""
    unique = [index for index in table.indexes if isinstance(index, IndexTable) and index.definition.unique]
    holders = {id for index in unique for id in index.in_the_way(transaction.connection, after)}
    ended = [
        table.stored(transaction.connection, id) for id in holders if table.get(transaction.connection, id) is None
    ]
    for document in ended:
        assert document is not None  # The index contained the id of this document.
        _end_document(transaction, collection, table, document)
    return bool(ended)


def _end_document(transaction: Transaction, collection: str, table: Table, document: StoredDocument) -> None:
    """Delete an expired document, with all effects of the deletion on other documents.

    If a referring document prevents these effects, delete only the expired document. Raises: BundocBusy while an index
    that deletions need is being built.
    """
    result = transaction.attempt(lambda inner: delete(inner, collection, document, always=True))
    if isinstance(result, Problem) and not isinstance(result, BundocBusy):
        log.warning("references to an expired document were left", collection=collection, reason=result.detail)
        transaction.remove(collection, table, document)
    elif isinstance(result, Exception):
        raise result
