"""Writes a batch of a walk as one commit, exactly once.

The concern: the documents are in one store (Bundoc), and the position of the walk is in another store (PostgreSQL). A
process may die, or stop for a while and continue, between the two writes. So each batch is written in three steps:

1. PostgreSQL stores the outcome that the walk will have if the commit succeeds (`plan`), and the number of the attempt.
2. The commit has an idempotency key made of walk and attempt. Each write has the revision that was read.
3. PostgreSQL replaces the state of the walk with this outcome.

If a batch begins and finds a plan, nobody knows whether the plan's commit has happened. `has_happened` sends a commit
with the same key that changes nothing. If Bundoc already knows the key with another body, the batch was committed.
Otherwise the batch was not committed, and Bundoc stores the key for this empty commit. If another process still tries
to commit the batch, Bundoc refuses it.

Bundoc keeps keys for a day, or for a shorter time if a caller floods the project (docs/decisions/0068). So the key of
an older plan proves nothing. In this case, documents whose revision has changed become failures (`maybe_written`), and
a person must decide about them (`migrating.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.idempotency import IdempotencyMismatch
from bunbase.functions.store.walks import HeldWalk
from bunbase.functions.walks.transforming import Action

MAX_COMMIT_BYTES: Final = 7 << 20  # Bundoc accepts 8 MiB, which includes the frame of each write.
FRAME_BYTES: Final = 1024
# The id of a document that does not exist begins with this prefix. Users may choose the ids of documents, so they must
# not know the rest of the id. Otherwise, a document with this id would turn a rehearsal into a commit.
NOBODY: Final = "walk-check-"


def key_of(walk: HeldWalk) -> str:
    return f"walk-{walk.id}-{walk.attempt}"


def fitting(actions: Sequence[Action]) -> int:
    """Return how many actions fit into one commit; at least one."""
    size = 0
    for number, action in enumerate(actions):
        size += len(action.data) + FRAME_BYTES
        if size > MAX_COMMIT_BYTES:
            return max(1, number)
    return len(actions)


async def commit(bundoc: Bundoc, caller: Caller, walk: HeldWalk, actions: Sequence[Action]) -> None:
    """Commit the actions.

    Raises: the Problem of the first failing write, with its index as `write`; nothing is written.
    """
    writes = [_write(walk.collection, action) for action in actions]
    await bundoc.commit(caller, msgspec.json.encode({"writes": writes}), key_of(walk))


async def try_out(bundoc: Bundoc, caller: Caller, collection: str, actions: Sequence[Action]) -> None:
    """Do the writes, and roll them back with a last check that fails.

    Always raises: the errors of `commit`, or the error of the last check. In this error, `write` is the number of
    actions if all actions are possible.
    """
    nobody = f"{NOBODY}{secrets.token_hex(16)}"
    writes = [*(_write(collection, action) for action in actions), _check(collection, nobody, rev=1)]
    await bundoc.commit(caller, msgspec.json.encode({"writes": writes}))


async def has_happened(bundoc: Bundoc, caller: Caller, walk: HeldWalk) -> bool:
    """True if the commit of the walk's plan has happened. After the result False, the commit cannot happen any more."""
    # Every try has the same body, because Bundoc would mistake another body for the batch.
    check = _check(walk.collection, f"{NOBODY}{walk.id}", rev=0)
    try:
        await bundoc.commit(caller, msgspec.json.encode({"writes": [check]}), key_of(walk))
    except IdempotencyMismatch:
        return True
    return False


def _write(collection: str, action: Action) -> dict[str, Any]:
    document = action.document
    write: dict[str, Any] = {"op": action.op, "collection": collection, "id": document.id, "if_rev": document.rev}
    return write | ({"data": msgspec.Raw(action.data)} if action.op != "delete" else {})


def _check(collection: str, id: str, rev: int) -> dict[str, Any]:
    return {"op": "check", "collection": collection, "id": id, "if_rev": rev}
