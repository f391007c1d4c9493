"""Read the changes of objects for `feeds.py`. Storage logs each change in the transaction that changes the object."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.triggers import DataTrigger
from bunbase.contracts.object_changes import ObjectChange, ObjectChanges
from bunbase.contracts.storage import Storage
from bunbase.functions.store.jobs import ChangeJob
from bunbase.functions.triggers.requests import object_change_payload
from bunbase.pkg.ids import new_id


class ObjectChangesOfProjects:
    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    async def since(self, project: str, since: int, limit: int, wait_seconds: float) -> ObjectChanges:
        return await self.storage.changes(Caller(CallerKind.SECRET, project), since, limit, wait_seconds)

    async def wanted(
        self, _project: str, _function: str, triggers: Sequence[DataTrigger], changes: Sequence[ObjectChange]
    ) -> list[ObjectChange]:
        return [one for one in changes if any(_is_seen(trigger, one) for trigger in triggers)]

    def job(self, change: ObjectChange) -> ChangeJob:
        # no collection has a space in its name, so an object and a document never share a lane
        lane = f"object {change.bucket}/{change.key}"
        return ChangeJob(new_id("job"), lane, object_change_payload(change), change.depth)


def _is_seen(trigger: DataTrigger, change: ObjectChange) -> bool:
    prefix = "" if trigger.prefix is msgspec.UNSET else trigger.prefix
    return trigger.bucket == change.bucket and change.op in trigger.ops and change.key.startswith(prefix)
