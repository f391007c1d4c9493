"""Delete the data of a deleted user: documents by a field, and everything that a function of the project deletes.

The life of one deletion:

    1. The user's row is deleted. If the settings of the project name collections or a function (`deletion`), the same
       transaction posts an event (`pkg/db/outbox.py`).
    2. A job takes the event. The job enqueues the function, with the user's id as key. The job also deletes documents
       in the name of the project, BATCH documents in each commit. After ROUNDS commits, it posts the event again, so
       that no delivery takes long.
    3. If the process dies, the event still exists. Deleted documents stay deleted, and the job continues with the rest.

The job uses the settings at the time when it deletes the documents. A collection that does not exist counts as empty.
If other documents refer to a document, or if the function `before_write` refuses its deletion, the document stays, and
the job writes a line to the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from bunbase.contracts.bundoc.documents import Query
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import KeyDestroyed, KeyNotFound
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.triggers import NewJob
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger
from bunbase.tenant_auth.journal import Actor
from bunbase.tenant_auth.pool import Pool, Pools

log = logger("tenant_auth")

USER_DELETED: Final = "user_deleted"  # The payload is {"project", "user"}.
BATCH: Final = 500  # One commit deletes at most this many documents.
ROUNDS: Final = 4  # One delivery makes at most this many commits.
OURS: Final = range(400, 500)  # A Problem with such a status would occur again in another attempt.


class _Found(msgspec.Struct):
    id: str = msgspec.field(name="_id")


class _Page(msgspec.Struct):
    items: list[_Found]


class Cascade:
    """Deletes users and their data.

    `nudge`: a function that wakes the job which delivers the events of the outbox (`jobs.relay_job`).
    """

    def __init__(self, pools: Pools, bundoc: Bundoc, functions: Functions) -> None:
        self.pools = pools
        self.stores = pools.stores
        self.bundoc = bundoc
        self.functions = functions
        self.nudge: Callable[[], None] = lambda: None

    async def delete_user(self, project: str, id: str, until: float, actor: Actor) -> bool:
        """Delete a user, and post the event for the user's data, in one transaction.

        Return False if the user does not exist.
        """
        pool = await self.pools.of(project)
        async with self.stores.db.transaction():
            if not await self.stores.users.delete(project, id, until):
                return False
            await self.pools.journal.deleted(project, id, actor)
            if pool.auth.deletion.collections or pool.auth.deletion.function:
                await self.stores.outbox.post(USER_DELETED, {"project": project, "user": id})
        self.nudge()
        return True

    async def deliver(self, _topic: str, payload: Any) -> None:
        """Delete data of a deleted user. Post the event again if data is left."""
        project, user = payload["project"], payload["user"]
        pool = await self.pools.of(project)
        try:
            if pool.auth.deletion.function and not payload.get("told"):
                await self._tell(pool, user)
            if await self._delete_some(pool, user):
                await self.stores.outbox.post(USER_DELETED, {"project": project, "user": user, "told": True})
        except (KeyDestroyed, KeyNotFound):
            log.info("a project ended before the documents of its user", project=project, user=user)

    async def _tell(self, pool: Pool, user: str) -> None:
        """Enqueue the function in the settings. If its job is already waiting or running, no second job is added."""
        job = NewJob(pool.auth.deletion.function, {"event": USER_DELETED, "user": {"id": user}}, key=f"deleted:{user}")
        try:
            await self.functions.enqueue(_server(pool), job)
        except FunctionNotFound:
            log.warning("no function hears of a deleted user", project=pool.project, function=job.function, user=user)

    async def _delete_some(self, pool: Pool, user: str) -> bool:
        """Delete documents of the user, at most ROUNDS times BATCH. Return True if more documents may exist."""
        rounds = 0
        for collection, field in sorted(pool.auth.deletion.collections.items()):
            while ids := await self._found(pool, collection, field, user):
                deleted = await self._deleted(pool, collection, ids)
                fields = {"project": pool.project, "user": user, "collection": collection, "documents": deleted}
                if not deleted:
                    log.warning(
                        "documents of a deleted user stay: they are referred to, or a function refuses", **fields
                    )
                    break
                log.info("documents of a deleted user were deleted", **fields)
                await self.pools.journal.documents_deleted(pool.project, user, collection, deleted)
                rounds += 1
                if rounds == ROUNDS:
                    return True
                if len(ids) < BATCH and deleted == len(ids):
                    break
        return False

    async def _found(self, pool: Pool, collection: str, field: str, user: str) -> list[str]:
        """Return the ids of at most BATCH documents whose field contains the user's id."""
        query = Query(msgspec.json.encode({field: user}), limit=BATCH, select=("_id",))
        try:
            page = await self.bundoc.query(_server(pool), collection, query)
        except Problem as problem:
            if problem.code != "collection_not_found":
                raise
            return []
        return [one.id for one in msgspec.json.decode(page.body, type=_Page).items]

    async def _deleted(self, pool: Pool, collection: str, ids: list[str]) -> int:
        """Delete documents in one commit, and return their number.

        If one document makes the commit fail, delete each document in a separate commit.
        """
        if await self._commit(pool, collection, ids):
            return len(ids)
        return sum([await self._commit(pool, collection, [id]) for id in ids])

    async def _commit(self, pool: Pool, collection: str, ids: list[str]) -> bool:
        writes = [{"op": "delete", "collection": collection, "id": id} for id in ids]
        try:
            await self.bundoc.commit(_server(pool), msgspec.json.encode({"writes": writes}))
        except Problem as problem:
            if problem.status not in OURS or isinstance(problem, KeyDestroyed | KeyNotFound):
                raise
            return False
        return True


def _server(pool: Pool) -> Caller:
    """Return a caller that acts for the project, so that rules do not apply."""
    return Caller(CallerKind.SECRET, project=pool.project)
