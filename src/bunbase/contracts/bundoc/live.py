"""Live queries in the contract of Bundoc: the result of a query for one caller, kept up to date.

A process that serves clients is an *edge*. An edge opens one stream for all projects (`live`), and registers queries
(`watch`) under numbers of its choice. Callers that see the same documents share a *group*, so a change of the result
crosses the stream once for all of them. Bodies hold the bytes that clients get: Bundoc has removed hidden fields.

The promise: at each Barrier, an edge that applied all events in their order holds exactly the results of all its
queries at the change `seq`, for the callers of these queries. docs/decisions/0086 has the reasons.

If a query needs more time than there is between two Barriers, Bundoc ends its watch (`Behind`). The edge then requests
the result separately (`results`), as often as the cost of the query allows, and watches the query again when it needs
less time. docs/decisions/0098 has the reasons.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem
from bunbase.pkg.rpc.wire import waits_for_news

MAX_LIMIT: Final = 500
MAX_DOCUMENTS: Final = 1000  # the maximum number of documents in the result of a query without `limit`
MAX_RESULT_BYTES: Final = 4 << 20
MAX_HAVE: Final = 1000


class NotLive(Problem):
    """`path`: the member of the query that cannot be watched."""

    status, code, title = 422, "not_live", "This query cannot be watched"


class LiveQueryTooLarge(Problem):
    status, code, title = 422, "live_query_too_large", "The result is too large for a live query"


class TooManyLiveQueries(Problem):
    status, code, title = 429, "too_many_live_queries", "The project has too many live queries"


class RulesTooSlow(Problem):
    status, code, title = 422, "rules_too_slow", "The rules of this live query take too long"


class WatchedProjectDeleted(Problem):
    status, code, title = 410, "watched_project_deleted", "The project has been deleted"


class NoLiveStream(Problem):
    """The edge has no open stream: it must call `live` before `watch`."""

    status, code, title = 409, "no_live_stream", "The stream of live queries is not open"


class LiveStreamBehind(Problem):
    """The edge reads too slowly. Bundoc has forgotten its watches. The edge must open the stream and watch again."""

    status, code, title = 503, "live_stream_behind", "The stream of live queries was not read fast enough"


class LiveQuery(msgspec.Struct, frozen=True):
    """A query to watch. The members are those of Query; `limit` None returns at most MAX_DOCUMENTS.

    `id`: watch the document with this id instead of a query. The rule `get` decides about the document, as in GET.

    To resume a watch, send the state that the client holds. `at`: the position `<epoch>.<seq>` of the client's last
    Barrier. `v`: the same as in Started. `have`: the ids of the documents that the client holds.
    """

    collection: str
    where: bytes | None = None
    sort: tuple[str, ...] = ()
    limit: int | None = None
    select: tuple[str, ...] | None = None
    count: bool = False
    id: str | None = None
    at: str = ""
    v: str = ""
    have: tuple[str, ...] = ()


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The result for the watch `number`, at the change `seq`. From now on, the diffs of `group` change this result.

    A second Started for the same number replaces group and result, because the rules, the caller or the history has
    changed.
    `checks`: the number of calls of `recheck` that had changed the caller of the watch. A result that was sent before
    such a call has a lower number, and belongs to the previous caller.
    `turn`: the number of the group's last diff. `v`: a name for the query and for the view of the rules; the client
    sends it to resume the watch.
    `body`: members of a JSON object: `"docs":[…]`, or the changes of the documents that the client has,
    `"resumed":true,"gone":[id,…],"put":[[index,document],…]`; also `"n":…` if the query wants the count.
    """

    number: int
    group: str
    turn: int
    v: str
    epoch: str
    seq: int
    body: bytes
    checks: int = 0


class Diff(msgspec.Struct, frozen=True, tag="diff"):
    """A change of the result of a group. `turn` is one more than in the diff before it; a gap means a lost diff.

    `body`: `"gone":[id,…],"put":[[index,document],…]`, each left out if empty, and `"n":…` if the count has changed.
    First remove the documents in `gone` and in `put`. Then insert the documents in `put` at their indexes, in ascending
    order.
    """

    group: str
    turn: int
    seq: int
    body: bytes


class Check(msgspec.Struct, frozen=True, tag="check"):
    """A digest of the result that an edge holds after the diff `turn` of the group. A Check comes about once a minute.

    `documents`: the number of documents in the result. `crc`: the CRC-32 of the lines `<_id> <_rev>\\n` of the result,
    in its order. Bundoc sends no Check to an edge that reads slowly, and none for a query whose `select` leaves `_rev`
    out.
    """

    group: str
    turn: int
    documents: int
    crc: int


class Barrier(msgspec.Struct, frozen=True, tag="barrier"):
    """All events of this project up to the change `seq` have been sent.

    An edge that holds a result of the project gets a Barrier soon after each commit, even if no result has changed.
    `committed_at`: the time of the oldest commit since the last Barrier, in Unix seconds; 0 if there was no commit.
    """

    project: str
    epoch: str
    seq: int
    committed_at: float = 0.0


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """A watch has ended; forget its result. `problem`: the members of problem+json."""

    number: int
    problem: dict[str, Any]


class Behind(msgspec.Struct, frozen=True, tag="behind"):
    """The results of these watches are older than the next Barrier, and Bundoc has forgotten the watches.

    Bundoc forgets these watches because all other watches would have to wait for their queries. `dear`: true if the
    queries of the user are so expensive that the watches would fall behind again: request their results with `results`.
    If
    `dear` is false, too many queries had to run at once: watch them again.
    """

    numbers: tuple[int, ...]
    dear: bool


LiveEvent = Started | Diff | Check | Barrier | Behind | Ended


class QueryResult(msgspec.Struct, frozen=True):
    """The result of a query. `body`: the same as in Started, always whole. `problem`: the same as in Ended, if the
    query has failed.
    """

    body: bytes = b""
    problem: dict[str, Any] | None = None


class Results(msgspec.Struct, frozen=True):
    """The results of several queries, all of them at the change `seq` of the history `epoch`.

    `dear`: true if the queries are so expensive that they would fall behind again if they were watched.
    """

    epoch: str
    seq: int
    dear: bool
    results: tuple[QueryResult, ...]


class Live(Protocol):
    """The part of Bundoc's contract for live queries. Each call takes its project from the Caller."""

    @waits_for_news
    def live(self, edge: str) -> AsyncIterator[tuple[LiveEvent, ...]]:
        """Yield the events of all watches of this edge, in order. The first item is empty: the stream is open.

        Empty items later are signs of life. When the stream ends, all watches of the edge are forgotten. A new stream
        of the same edge ends the older one. Raises: LiveStreamBehind.
        """
        ...

    async def watch(self, caller: Caller, edge: str, number: int, query: LiveQuery) -> None:
        """Register a query. The result, Started, comes in the stream.

        Raises: NoLiveStream, NotLive, LiveQueryTooLarge, TooManyLiveQueries, RulesTooSlow, and the Problems of `query`.
        """
        ...

    async def results(self, caller: Caller, queries: tuple[LiveQuery, ...]) -> Results:
        """Return the results of these queries at one change. These queries are not watched, and need no stream.

        The calls of one project run one after the other, and every user of the project gets an equal share. If a query
        fails, the answer has its Problem. Raises: BundocBusy, and the Problems of a project that cannot be read.
        """
        ...

    async def recheck(self, caller: Caller, edge: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Answer these watches for this caller from now on, because the token was renewed or the role was changed.

        Return the watches for which Started or Ended follows in the stream, because the rules now show the caller other
        documents. Until this call returns, deliver nothing of these watches. For the returned watches, deliver nothing
        until the new Started.
        """
        ...

    async def unwatch(self, edge: str, numbers: tuple[int, ...]) -> None:
        """Forget these watches. Idempotent; events that are on their way may still arrive."""
        ...
