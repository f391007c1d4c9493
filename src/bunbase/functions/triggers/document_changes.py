"""The changes of documents, for `feeds.py`. Bundoc writes each change in the transaction of the document."""

from __future__ import annotations

from collections.abc import Sequence

from bunbase.contracts.bundoc.documents import ChangeEntry, Changes
from bunbase.contracts.bundoc.problems import CollectionNotFound, InvalidQuery, QueryNeedsIndex
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.triggers import DataTrigger
from bunbase.functions.logs.warnings import Warn
from bunbase.functions.store.jobs import ChangeJob
from bunbase.functions.triggers.filters import matching
from bunbase.functions.triggers.requests import change_payload
from bunbase.pkg.ids import new_id


class DocumentChanges:
    def __init__(self, bundoc: Bundoc, warn: Warn) -> None:
        self.bundoc = bundoc
        self.warn = warn

    async def since(self, project: str, since: int, limit: int, wait_seconds: float) -> Changes:
        return await self.bundoc.changes(_project_caller(project), since, limit, wait_seconds)

    async def wanted(
        self, project: str, function: str, triggers: Sequence[DataTrigger], changes: Sequence[ChangeEntry]
    ) -> list[ChangeEntry]:
        wanted: set[int] = set()
        for trigger in triggers:
            matched = [one for one in changes if one.collection == trigger.collection and one.op in trigger.ops]
            if matched and trigger.where is not None:
                ids = await self._matching(project, function, trigger, {one.id for one in matched})
                matched = [one for one in matched if one.id in ids]
            wanted |= {one.seq for one in matched}
        return [one for one in changes if one.seq in wanted]

    def job(self, change: ChangeEntry) -> ChangeJob:
        return ChangeJob(new_id("job"), f"{change.collection}/{change.id}", change_payload(change), change.depth)

    async def _matching(self, project: str, function: str, trigger: DataTrigger, ids: set[str]) -> set[str]:
        """Return the ids of the documents that match the trigger's filter now, and not at the time of the change.

        The deployment has checked the filter, so the filter fails only if an index was dropped later. Then the
        function's log gets a warning and the changes are skipped. Trying again forever would stop all triggers of the
        project.
        """
        try:
            return await matching(self.bundoc, _project_caller(project), trigger, sorted(ids))
        except CollectionNotFound:
            return set()
        except (InvalidQuery, QueryNeedsIndex) as wrong:
            await self.warn(project, function, f"The filter of a trigger on {trigger.collection} fails: {wrong.detail}")
            return set()


def _project_caller(project: str) -> Caller:
    return Caller(CallerKind.SECRET, project)
