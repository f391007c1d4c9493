"""The messages of watches: `watch`, `unwatch` and `sync`."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.gateway.live import messages
from bunbase.gateway.live.messages import Sync, Unwatch, WatchMessage
from bunbase.gateway.live.problems import LiveIdTaken, StateNotReached, TooManyWatches
from bunbase.gateway.live.session import Session, Watch
from bunbase.gateway.live.syncs import WaitingSync
from bunbase.pkg import metrics
from bunbase.pkg.errors import InvalidInput, Problem

STATE: Final = re.compile(r"([0-9a-f]{1,32})\.([0-9]{1,18})")
SYNC_SECONDS: Final = 10.0
MAX_SYNCS: Final = 32
# The filters of one connection have at most this size. A hundred filters of 64 KiB take 6 MiB.
MAX_QUERY_BYTES: Final = 1 << 20


def on_watch(session: Session, message: WatchMessage) -> None:
    most = session.home.settings.max_watches
    try:
        if message.id in session.watches or message.id in session.joins:
            raise LiveIdTaken(f"The id {message.id} is in use: unwatch it first, or choose another number.")
        if len(session.watches) >= most:
            raise TooManyWatches(
                f"A connection can watch {most} queries at once. End watches that nobody sees, put several "
                "into one query (such as $in), or watch the others on another connection."
            )
        query = messages.live_query(message)
        _check_bytes(session, query)
    except Problem as problem:
        session.refuse(message.id, problem)
        return
    if message.why:
        metrics.live_repairs.labels(message.why).inc()
    watch = session.watches[message.id] = Watch(session, message.id, query)
    session.home.queries.begin(watch)


def _check_bytes(session: Session, query: LiveQuery) -> None:
    """Check the size of all filters of the connection. Raises: TooManyWatches."""
    held = sum([len(watch.query.where or b"") for watch in session.watches.values()])
    if held + len(query.where or b"") > MAX_QUERY_BYTES:
        message = f"The filters of a connection can have {MAX_QUERY_BYTES >> 20} MiB together: unwatch a query first."
        raise TooManyWatches(message)


def on_unwatch(session: Session, message: Unwatch) -> None:
    watch = session.watches.pop(message.id, None)
    if watch is not None:
        session.home.queries.forget(watch)
    session.put(messages.ok(message.id))
    session.home.queries.settle(session)  # The syncs may have waited only for this watch.


def on_sync(session: Session, message: Sync) -> None:
    state = STATE.fullmatch(message.at)
    if state is None:
        session.refuse(message.id, InvalidInput.at("/at", "Send the header X-Bunbase-Seq of an answer, or an at."))
    elif len(session.syncs) >= MAX_SYNCS:
        session.refuse(message.id, StateNotReached(f"A connection can wait for {MAX_SYNCS} states at once."))
    else:
        waiting = WaitingSync(message.id, state[1], int(state[2]))
        session.syncs.append(waiting)
        waiting.timer = asyncio.get_running_loop().call_later(SYNC_SECONDS, _give_up, session, waiting)
        session.home.queries.settle(session)


def answer_syncs(session: Session, epoch: str, seq: int) -> None:
    """Answer the questions about this state and earlier states, because the client has just got this state."""
    for waiting in list(session.syncs):
        if waiting.epoch == epoch and waiting.seq <= seq:
            _end(session, waiting)
            session.put(messages.ok(waiting.id))


def answer_all_syncs(session: Session) -> None:
    """Answer all questions. The session watches nothing, so none of its results is too old."""
    for waiting in list(session.syncs):
        _end(session, waiting)
        session.put(messages.ok(waiting.id))


def refuse_syncs(session: Session, problem: Problem) -> None:
    for waiting in list(session.syncs):
        _end(session, waiting)
        session.refuse(waiting.id, problem)


def drop_syncs(session: Session) -> None:
    for waiting in list(session.syncs):
        _end(session, waiting)


def _give_up(session: Session, waiting: WaitingSync) -> None:
    _end(session, waiting)
    session.refuse(waiting.id, StateNotReached("The results did not reach this state in time: ask again, or resume."))


def _end(session: Session, waiting: WaitingSync) -> None:
    session.syncs.remove(waiting)
    if waiting.timer is not None:
        waiting.timer.cancel()
