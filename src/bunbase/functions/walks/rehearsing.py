"""Rehearses walks: runs their first batches in the same way, but writes nothing.

A rehearsal ends after MOST_DOCUMENTS or MOST_SECONDS, so that it fits into one request.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bunbase.contracts.bundoc.problems import CommitTooSlow
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.triggers import DataTrigger
from bunbase.contracts.functions.walks import Difference, Rehearsal, WalkError
from bunbase.functions.store.walks import Failure
from bunbase.functions.walks.backfilling import wanted_of
from bunbase.functions.walks.committing import fitting, try_out
from bunbase.functions.walks.migrating import failure_of
from bunbase.functions.walks.pages import page
from bunbase.functions.walks.transforming import Action, Transforming
from bunbase.pkg.errors import Problem

MOST_DOCUMENTS: Final = 1000
MOST_SECONDS: Final = 5.0
SAMPLE: Final = 5
SAMPLE_BYTES: Final = 8 << 10
MOST_ERRORS: Final = 20
IDS: Final = 5
SERVER_FAULT, TOO_MANY = 500, 429
NAMES: Final = {"put": "replace", "patch": "patch"}


class Rehearsing:
    def __init__(self, bundoc: Bundoc, transforming: Transforming) -> None:
        self.bundoc = bundoc
        self.transforming = transforming

    async def migration(self, caller: Caller, function: str, collection: str, total: int) -> Rehearsal:
        actions, failures, unchanged, examined = list[Action](), list[Failure](), 0, 0
        cursor, until = None, time.monotonic() + MOST_SECONDS
        while examined < MOST_DOCUMENTS and time.monotonic() < until:
            documents, cursor = await page(self.bundoc, caller, collection, cursor)
            made = await self.transforming.transform(caller.project, function, documents)
            refused = await self._refused(caller, collection, list(made.actions))
            failed = {one.id for one in refused}
            actions += [one for one in made.actions if one.document.id not in failed]
            failures += [*made.failures, *refused]
            unchanged += made.unchanged
            examined += len(documents)
            if cursor is None:
                break
        deleted = sum(one.op == "delete" for one in actions)
        sample = tuple(_difference(one) for one in actions[:SAMPLE])
        return Rehearsal(
            collection, total, examined, len(actions) - deleted, deleted, 0, unchanged, len(failures), sample,
            _grouped(failures),
        )  # fmt: skip

    async def backfill(
        self,
        caller: Caller,
        collection: str,
        triggers: Sequence[DataTrigger],
        where: dict[str, Any] | None,
        total: int,
    ) -> Rehearsal:
        wanted, examined, cursor, until = 0, 0, None, time.monotonic() + MOST_SECONDS
        while examined < MOST_DOCUMENTS and time.monotonic() < until:
            documents, cursor = await page(self.bundoc, caller, collection, cursor)
            wanted += len(await wanted_of(self.bundoc, caller, collection, triggers, where, documents))
            examined += len(documents)
            if cursor is None:
                break
        return Rehearsal(collection, total, examined, 0, 0, wanted, examined - wanted, 0, (), ())

    async def _refused(self, caller: Caller, collection: str, actions: list[Action]) -> list[Failure]:
        """Return the documents whose changes Bundoc would refuse."""
        refused = list[Failure]()
        while actions:
            part = actions[: fitting(actions)]
            try:
                await try_out(self.bundoc, caller, collection, part)
            except Problem as problem:
                number: Any = problem.extra.get("write")
                if not isinstance(number, int) or problem.status >= SERVER_FAULT or problem.status == TOO_MANY:
                    raise
                if isinstance(problem, CommitTooSlow) and number:
                    del actions[:number]  # These actions are possible.
                    continue
                if number < len(part):
                    refused.append(failure_of(actions.pop(number).document.id, problem))
                    continue
            del actions[: len(part)]
        return refused


def _difference(action: Action) -> Difference:
    change = {"delete": True} if action.op == "delete" else {NAMES[action.op]: _short(action.data)}
    return Difference(action.document.id, _short(action.document.body), change)


def _short(body: bytes) -> Any:
    """Return the JSON value, or None if it is large."""
    return msgspec.json.decode(body) if len(body) <= SAMPLE_BYTES else None


def _grouped(failures: Sequence[Failure]) -> tuple[WalkError, ...]:
    groups: dict[tuple[str, str], list[str]] = {}
    for one in failures:
        groups.setdefault((one.code, one.detail), []).append(one.id)
    largest = sorted(groups.items(), key=lambda group: -len(group[1]))[:MOST_ERRORS]
    return tuple(WalkError(code, detail, len(ids), tuple(ids[:IDS])) for (code, detail), ids in largest)
