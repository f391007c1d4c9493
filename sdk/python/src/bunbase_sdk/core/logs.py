"""The log lines of functions: stored lines, and new lines as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bunbase_sdk.core.answers import line_value, problem_in
from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.flow import Broken, Emit, Flow, Items, read
from bunbase_sdk.core.pages import all_listed, listed
from bunbase_sdk.core.patience import Patience, passes
from bunbase_sdk.core.streams import Events
from bunbase_sdk.core.transport import Transport, Wanted, search
from bunbase_sdk.problem import Problem

SILENCE_SECONDS: Final = 45.0  # after this time, three heartbeats are missing, so the connection counts as lost
PAGE: Final = 100


def log_lines(
    transport: Transport,
    where: str,
    values: Mapping[str, object],
    follow: bool,
    after: int | None,
    stop_after: float | None,
    timeout: float | None,
) -> Items[Any]:
    """Emit log lines: stored lines, the newest first; or with `follow` new lines, the oldest first."""
    if not follow:
        return all_listed(transport, where, {**values, "limit": PAGE, "after": after}, timeout, administers=True)
    return _followed(transport, where, values, after, Patience(stop_after))


def _followed(
    transport: Transport, where: str, values: Mapping[str, object], after: int | None, patience: Patience
) -> Items[Any]:
    seen = after
    while left := patience.left(SILENCE_SECONDS):
        within = transport.deadline(left)
        try:
            # get the position first: if the connection breaks before the first line, no line may be lost
            if seen is None:
                seen = yield from _newest(transport, where, within)
            asked = search({**values, "follow": True, "after": seen})
            wanted = Wanted("GET", where + asked, headers={"Accept": "text/event-stream"}, administers=True)
            answer = yield from transport.sent(wanted, within, stream=True)
            if not answer.ok:
                raise problem_in(answer)
            reader = Events()
            while patience.left(1) and (part := (yield from read(answer))) is not None:
                patience.worked()
                for line in map(line_value, reader.fed(part)):
                    seen = line["seq"]
                    yield Emit(line)
        except Broken:
            pass
        except Problem as problem:
            if not passes(problem):
                raise
        yield patience.pause()


def _newest(transport: Transport, where: str, within: Deadline) -> Flow[int]:
    """Return the number of the newest line, or 0 if there is no line."""
    page = yield from listed(transport, where, {"limit": 1}, within, administers=True)
    return page.items[0]["seq"] if page.items else 0
