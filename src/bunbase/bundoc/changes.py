"""The changes of projects in this process, for calls that wait for a change, and for live queries, which follow all
changes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

import msgspec

from bunbase.bundoc.documents import StoredDocument
from bunbase.contracts.bundoc.problems import BundocBusy


class DocumentChange(msgspec.Struct, frozen=True):
    """A change of one document. `before` is None if the document was created, `after` is None if it was deleted."""

    seq: int
    collection: str
    before: StoredDocument | None
    after: StoredDocument | None


class CommittedBatch(msgspec.Struct, frozen=True):
    """Whole commits that are on disk. `since` and `seq`: the newest change before and after them.

    `changes`: None if they were not collected, because nobody followed the project when the batch began, or because
    their documents were too large. `altered`: the collections that were created or dropped, or whose rules, schema or
    indexes have changed.
    """

    epoch: str
    since: int
    seq: int
    changes: tuple[DocumentChange, ...] | None
    altered: frozenset[str] = frozenset()


Follower = Callable[[CommittedBatch | None], None]  # None: anything may have changed, for example by a restore


class Waiters:
    """The calls that wait. At most `most` calls may wait at once, because each of them keeps a request open.

    `followers`: the followers by project, at most one for each. It is called in the event loop, in the order of the
    commits.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self.count = 0
        self.followers: dict[str, Follower] = {}

    def enter(self, project: str) -> asyncio.Future[None]:
        """Return a future that is done at the project's next change.

        The caller must pass the future to `leave` afterwards. Raises: BundocBusy.
        """
        if self.count >= self.most:
            raise BundocBusy("Too many calls wait for changes; send wait_seconds=0.", retry_after_seconds=1)
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[project].add(news)
        self.count += 1
        return news

    def leave(self, project: str, news: asyncio.Future[None]) -> None:
        self.count -= 1
        waiting = self.waiting[project]
        waiting.discard(news)
        if not waiting:
            del self.waiting[project]

    def wake(self, project: str, batch: CommittedBatch | None = None) -> None:
        """Wake all calls that wait for this project, and hand the batch to its follower."""
        if (follower := self.followers.get(project)) is not None:
            follower(batch)
        for news in self.waiting.get(project, ()):
            if not news.done():
                news.set_result(None)
