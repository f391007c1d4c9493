"""Compare the results of an edge with the results of the oracle."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.contracts.caller import Caller
from tests.bundoc.live.model import Docs
from tests.bundoc.live.oracle import Expected, History, State, expected

TOKEN = re.compile(rb'"([TS]\d+|d\d+|r\d_u\d)"')


LATE_SECONDS = 3.0  # A result may show a document for this long after its expiry, because the machine may be busy.


class Violation(AssertionError):
    pass


class Snapshot(msgspec.Struct, frozen=True):
    """The result that an edge held for one watch at a barrier. `when`: the time in seconds since 1970.

    `since`: `said` may show any state from this change on, because no barrier could be sent meanwhile. If `since` is
    None, `said` must show the state of the barrier.
    """

    epoch: str
    seq: int
    when: float
    query: LiveQuery
    caller: Caller
    docs: Docs
    n: int | None
    said: tuple[bytes, ...]
    before: frozenset[str]
    trace: tuple[str, ...]
    since: int | None = None


def compare(history: History, one: Snapshot) -> None:
    """Compare the result of an edge at a barrier with the right result. Raises: Violation."""
    if one.seq in history.inside:
        raise Violation(f"the barrier {one.seq} is in the middle of a commit")
    state = history.state(one.seq)
    variants = history.variants(one.query.collection, one.seq)
    times = [when for when in (one.when - LATE_SECONDS, *ends_of(state)) if one.when - LATE_SECONDS <= when <= one.when]
    allowed = [expected(state, variant, one.query, one.caller, when) for variant in variants for when in times]
    if not any(not wanted.denied and same(one.docs, one.n, wanted) for wanted in allowed):
        names = [variant.name for variant in variants]
        raise Violation(
            f"at {one.seq}, {one.query} for {one.caller.user} under {names}:\n"
            f"  trace {one.trace}\n"
            f"  holds  {[body for _, body in one.docs]} n={one.n}\n  wanted {allowed}"
        )
    known = {token.encode() for wanted in allowed for token in wanted.tokens} | {id.encode() for id in one.before}
    for body in one.said:
        if (leaked := set(TOKEN.findall(body)) - known) and leaked - known_since(history, one):
            raise Violation(f"at {one.seq}, {one.query} for {one.caller.user} was told {leaked}: {body!r}")


def known_since(history: History, one: Snapshot) -> set[bytes]:
    """Return the results that the caller may see between `since` and the barrier."""
    found = set[bytes]()
    for seq in range(one.seq if one.since is None else one.since, one.seq):
        for variant in history.variants(one.query.collection, seq):
            wanted = expected(history.state(seq), variant, one.query, one.caller, one.when)
            found |= {token.encode() for token in wanted.tokens}
    return found


def ends_of(state: State) -> set[float]:
    """Return the expiry times of documents (seconds since 1970). Between these times, only writes change results."""
    return {datetime.fromisoformat(doc["until"]).timestamp() for doc in state.get("leases", {}).values()}


def same(docs: Docs, n: int | None, wanted: Expected) -> bool:
    held = [msgspec.json.decode(body) for _, body in docs]
    for doc in held:
        doc.pop("_created", None)
        doc.pop("_updated", None)
    known = [{**doc} for doc in wanted.docs]
    if held and "_rev" not in held[0]:
        for doc in known:
            doc.pop("_rev", None)
    return held == known and n == wanted.n
