"""The changes of documents, in their order and without gaps."""

from __future__ import annotations

from typing import Final

from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.flow import Emit, Flow, Items
from bunbase_sdk.core.patience import Patience, passes
from bunbase_sdk.core.transport import Transport, Wanted, search
from bunbase_sdk.models import Change
from bunbase_sdk.problem import Problem

PAGE: Final = 200
WAIT_SECONDS: Final = 25.0


def emitted_changes(
    transport: Transport, since: int, follow: bool, stop_after: float | None, timeout: float | None
) -> Items[Change]:
    """Emit every change after `since`. With `follow`, wait for the next changes, also after a lost connection."""
    patience = Patience(stop_after)
    while True:
        wait = patience.left(WAIT_SECONDS) if follow else 0.0
        within = Deadline(wait + transport.deadline(timeout).seconds)
        try:
            items, since = yield from _page(transport, since, wait, within)
        except Problem as problem:
            if not (follow and passes(problem)):
                raise
            if not patience.left(1):
                return
            yield patience.pause()
            continue
        patience.worked()
        for item in items:
            yield Emit(item)
        if not items and not (follow and patience.left(1)):
            return


def _page(transport: Transport, since: int, wait: float, within: Deadline) -> Flow[tuple[list[Change], int]]:
    values = {"since": since, "limit": PAGE, "wait_seconds": round(wait, 3) or None}
    wanted = Wanted("GET", f"/v1/changes{search(values)}", repeatable=True)
    try:
        page = yield from transport.json(wanted, within)
    except Problem as problem:
        if problem.code == "resync_required":
            problem.detail += " Read the collections again, then go on with since=problem.body['last']."
        raise
    return page["items"], page["next"]
