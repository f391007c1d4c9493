"""Writes about which a function of the project is asked, and what it has answered.

The life of one write to a collection with `before_write`:

1. The writer does the whole commit: rules, schema, indexes and references. Where it meets such a collection without a
   verdict, it notes a Question. At the end it raises Asked, so everything is rolled back (`sqlite_engine/steps.py`).
2. No transaction is open while the function decides (`before_writes.py`).
3. The writer does the commit again, with a Verdict in each step. It stores exactly the body that the function has
   allowed, if the document still has the revision that the function saw. Otherwise it raises Asked again.
"""

from __future__ import annotations

import msgspec

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.writes import CommitStep
from bunbase.contracts.bundoc.collections import BeforeWrite, WriteOp
from bunbase.contracts.bundoc.problems import BeforeWriteFailed


class Question(msgspec.Struct, frozen=True):
    """A write that is allowed by rules and schema. `after`: None for a deletion."""

    step: CommitStep
    hook: BeforeWrite
    op: WriteOp
    before: StoredDocument | None
    after: StoredDocument | None


class Asked(Exception):
    """Nothing was written: a function must be asked first."""

    def __init__(self, questions: tuple[Question, ...]) -> None:
        super().__init__("a function must be asked before this write")
        self.questions = questions


def decided(
    step: CommitStep,
    hook: BeforeWrite,
    before: StoredDocument | None,
    after: StoredDocument | None,
    questions: list[Question],
) -> StoredDocument | None:
    """Return the document that the function has allowed. If it was not asked about this write, add a question."""
    op: WriteOp = "delete" if after is None else "create" if before is None else "update"
    if op not in hook.on:
        return after
    verdict, rev = step.verdict, before.rev if before else 0
    if verdict is None or (verdict.hook, verdict.op, verdict.rev) != (hook, op, rev):
        questions.append(Question(step, hook, op, before, after))
        return after
    if after is None or verdict.body is None:
        return after
    return msgspec.structs.replace(after, body=verdict.body)


def failed(function: str, cause: str) -> BeforeWriteFailed:
    return BeforeWriteFailed(
        f"The function {function}, which this app asks before it writes here, failed. Nothing was written. Its "
        "developers find the cause in the runs and the log of the function.",
        function=function,
        cause=cause,
    )
