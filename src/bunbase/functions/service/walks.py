"""Begins, lists and changes walks, and rehearses them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.functions.triggers import DataTrigger
from bunbase.contracts.functions.walks import (
    MigrationChanged,
    NewWalk,
    Rehearsal,
    Walk,
    WalkChange,
    WalkKind,
    WalkNotFound,
    WalkOver,
    WalkRunning,
    Walks,
    WalkState,
)
from bunbase.functions.service.existing import existing_version
from bunbase.functions.store.functions import FunctionStore
from bunbase.functions.store.walks import StoredWalk, WalkStore, WalkToAdd
from bunbase.functions.triggers.filters import try_out
from bunbase.functions.walks.backfilling import triggers_on
from bunbase.functions.walks.rehearsing import Rehearsing
from bunbase.functions.walks.transforming import Transforming
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id

NEWEST: Final = 2**63 - 1  # This is the largest bigint of PostgreSQL.
Seq = Annotated[int, msgspec.Meta(ge=0, le=NEWEST)]
OVER: Final = (WalkState.DONE, WalkState.STOPPED, WalkState.CANCELLED)


class WalkService:
    def __init__(
        self,
        store: WalkStore,
        functions: FunctionStore,
        bundoc: Bundoc,
        transforming: Transforming,
        rehearsing: Rehearsing,
        clock: Clock,
    ) -> None:
        self.store = store
        self.functions = functions
        self.bundoc = bundoc
        self.transforming = transforming
        self.rehearsing = rehearsing
        self.clock = clock

    async def begin(self, caller: Caller, new: NewWalk) -> Walk:
        caller.check(Act.WALK_CREATE)
        project = caller.project
        _check_form(new)
        if new.kind is WalkKind.MIGRATION and not new.again and (known := await self._begun(project, new)) is not None:
            return shown(known)
        collection = await self._collection(project, new)
        total = (await self.bundoc.collection(_server(project), collection)).documents or 0
        id, name, checksum = new_id("wlk"), new.name or "", new.checksum or ""
        row = WalkToAdd(
            id, project, new.kind, name, new.function, collection, new.where, checksum, self.clock.now(),
            new.max_errors, new.max_per_second, total,
        )  # fmt: skip
        forget = OVER if new.again else (WalkState.CANCELLED,) if name else ()
        if not await self.store.add(row, forget):
            raise WalkRunning(
                f"A walk over {collection}, or this migration, has not ended. Wait for its end, or cancel it."
            )
        return shown(await self._stored(project, id))

    async def rehearse(self, caller: Caller, new: NewWalk) -> Rehearsal:
        caller.check(Act.WALK_REHEARSE)
        _check_form(new)
        server = _server(caller.project)
        collection = await self._collection(caller.project, new)
        total = (await self.bundoc.collection(server, collection)).documents or 0
        if new.kind is WalkKind.MIGRATION:
            return await self.rehearsing.migration(server, new.function, collection, total)
        version = await existing_version(self.functions, caller.project, new.function)
        triggers = triggers_on(collection, version.config.on)
        return await self.rehearsing.backfill(server, collection, triggers, new.where, total)

    async def walks(self, caller: Caller, kind: WalkKind | None, limit: int, cursor: str | None) -> Walks:
        caller.check(Act.WALK_READ)
        query = f"walks:{caller.project}:{kind}"
        before = page_start(query, cursor, Seq, NEWEST)
        found = await self.store.walks(caller.project, before, kind, limit + 1)
        page, following = cut_page(found, limit, query, lambda walk: walk.seq)
        return Walks(tuple(shown(one) for one in page), following)

    async def walk(self, caller: Caller, id: str) -> Walk:
        caller.check(Act.WALK_READ)
        return shown(await self._stored(caller.project, id))

    async def change(self, caller: Caller, id: str, change: WalkChange) -> Walk:
        caller.check(Act.WALK_UPDATE)
        project, now = caller.project, self.clock.now()
        found = await self._stored(project, id)
        match change.state:
            case "running":
                done = found.state is WalkState.RUNNING or await self._resume(project, found)
            case "paused":
                done = await self.store.end(project, id, WalkState.PAUSED, None, (WalkState.RUNNING, WalkState.PAUSED))
            case "cancelled":
                alive = (WalkState.RUNNING, WalkState.PAUSED, WalkState.STOPPED, WalkState.CANCELLED)
                done = await self.store.end(project, id, WalkState.CANCELLED, now, alive)
        if not done:
            raise WalkOver(f"The walk is {found.state}, so it cannot become {change.state}.")
        return shown(await self._stored(project, id))

    async def _begun(self, project: str, new: NewWalk) -> StoredWalk | None:
        """Return the walk of a migration that has already begun. Raises: MigrationChanged, WalkRunning.

        A stopped walk continues. A cancelled migration begins again.
        """
        known = await self.store.migration(project, new.name or "")
        if known is None or known.state is WalkState.CANCELLED:
            return None
        changed = known.checksum != (new.checksum or "")
        if known.state is WalkState.STOPPED:
            await self.store.set_checksum(project, known.id, new.checksum or "")
            await self._resume(project, known)
            return await self._stored(project, known.id)
        if changed:
            raise MigrationChanged(
                f"{known.name} is {known.state}, and its file has changed since it began. Write another migration, or "
                "run this one with `again` after its end."
            )
        return known

    async def _resume(self, project: str, found: StoredWalk) -> bool:
        return await self.store.resume(project, found.id, self.clock.now())

    async def _collection(self, project: str, new: NewWalk) -> str:
        """Return the collection of the walk. Raises: FunctionNotFound, FunctionError, InvalidInput, InvalidQuery."""
        version = await existing_version(self.functions, project, new.function)
        if new.kind is WalkKind.MIGRATION:
            return await self.transforming.collection(project, new.function)
        known = sorted({one.collection for one in version.config.on if triggers_on(one.collection, [one])})
        if not known or (new.collection is None and len(known) > 1) or (new.collection or known[0]) not in known:
            which = f"of these: {', '.join(known)}" if known else "of a trigger, and this function has none (`on`)"
            raise InvalidInput.at("/collection", f"A backfill needs the collection {which}.")
        collection = new.collection or known[0]
        if new.where is not None:
            await try_out(self.bundoc, _server(project), DataTrigger(collection, where=new.where))
        return collection

    async def _stored(self, project: str, id: str) -> StoredWalk:
        found = await self.store.walk(project, id) if id.isascii() and id.isprintable() else None
        if found is None:
            raise WalkNotFound("The project has no walk with this id. BunBase deletes old backfills.")
        return found


def shown(stored: StoredWalk) -> Walk:
    """Return the walk as the API shows it."""
    known: dict[str, Any] = {name: getattr(stored, name) for name in Walk.__struct_fields__}
    return Walk(**known)


def _server(project: str) -> Caller:
    return Caller(CallerKind.SECRET, project)


def _check_form(new: NewWalk) -> None:
    """Check the form of a request. Raises: InvalidInput."""
    migration = new.kind is WalkKind.MIGRATION
    if migration and (new.name is None or new.checksum is None):
        raise InvalidInput.at("/name", "A migration has a name and a checksum.")
    for field in ("collection", "where") if migration else ("name", "checksum"):
        if getattr(new, field) is not None:
            raise InvalidInput.at(f"/{field}", f"A {new.kind} has no {field}.")
