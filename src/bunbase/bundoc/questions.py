"""The writes about which Bundoc asks a function of the project, and the answers of the function.

The life of one write to a collection with `before_write`:

1. The writer does the whole commit: rules, schema, indexes and references. For each write to such a collection that has
   no verdict, it records a Question. At the end, the writer raises Unanswered, so everything is rolled back
   (`sqlite_engine/steps.py`).
2. No transaction is open while the function decides (`before_writes.py`).
3. The writer does the commit again, with a Verdict in each step. If the document still has the revision that the
   function saw, the writer stores exactly the body that the function has allowed. Otherwise, the writer raises
   Unanswered again.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.writes import CommitStep
from bunbase.contracts.bundoc.collections import BeforeWrite, WriteOp
from bunbase.contracts.bundoc.problems import BeforeWriteFailed
from bunbase.contracts.functions.hooks import MAX_WRITES_BYTES
from bunbase.pkg.errors import TooLarge

# In the event, one write takes this much in addition to its bodies: system fields, collection and id.
FRAME_BYTES: Final = 1024


class Question(msgspec.Struct, frozen=True):
    """A write that rules and schema allow. `after`: the document after the write; None for a deletion."""

    step: CommitStep
    hook: BeforeWrite
    op: WriteOp
    before: StoredDocument | None
    after: StoredDocument | None


class Unanswered(Exception):
    """Nothing was written: a function must answer `questions` first."""

    def __init__(self, questions: tuple[Question, ...]) -> None:
        super().__init__("a function must be asked before this write")
        self.questions = questions


class Questions:
    """The questions of one commit. A short commit may change 500 MB of documents, so their bytes are limited.

    `asked`: the questions in the order of the writes.
    """

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.bytes = 0

    @property
    def mark(self) -> int:
        """The position of the next question, as an argument of `forget_from`."""
        return len(self.asked)

    def add(self, question: Question) -> None:
        """Add a question. Raises: TooLarge if the event for the function would exceed its limit."""
        self.bytes += _size(question)
        check_askable(self.bytes)
        self.asked.append(question)

    def forget_from(self, mark: int) -> None:
        """Forget the questions since the mark."""
        self.bytes -= sum(map(_size, self.asked[mark:]))
        del self.asked[mark:]


def check_askable(size: int) -> None:
    """Check the size of the questions. Raises: TooLarge.

    The error does not contain the size, because rules may hide from the caller how large documents are.
    """
    if size > MAX_WRITES_BYTES:
        raise TooLarge(
            f"The documents of this commit have more than {MAX_WRITES_BYTES >> 20} MiB before and after it, which is "
            "the most that a function can be asked about. Split the commit."
        )


def decided(
    step: CommitStep,
    hook: BeforeWrite,
    before: StoredDocument | None,
    after: StoredDocument | None,
    questions: Questions,
) -> StoredDocument | None:
    """Return the document that the function has allowed.

    If the function was not asked about this write, add a question.

    Raises: TooLarge.
    """
    op: WriteOp = "delete" if after is None else "create" if before is None else "update"
    if op not in hook.on:
        return after
    verdict, rev = step.verdict, before.rev if before else 0
    if verdict is None or (verdict.hook, verdict.op, verdict.rev) != (hook, op, rev):
        questions.add(Question(step, hook, op, before, after))
        return after
    if after is None or verdict.body is None:
        return after
    return msgspec.structs.replace(after, body=verdict.body)


def _size(question: Question) -> int:
    documents = (question.before, question.after)
    return FRAME_BYTES + sum([len(one.body) for one in documents if one is not None])


def failed(function: str, cause: str) -> BeforeWriteFailed:
    return BeforeWriteFailed(
        f"The function {function}, which this app asks before it writes here, failed. Nothing was written. Its "
        "developers find the reason in the runs and the log of the function.",
        function=function,
        cause=cause,
    )
