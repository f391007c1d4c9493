"""Announce changes within this process.

Some calls wait for a project's next change, and live queries follow all changes.
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
    """One or more whole commits that are on disk. `since` and `seq`: the newest change before and after these commits.

    `changes`: None if the changes were not collected, because nobody followed the project when the batch began, or
    because the documents were too large. `redefined`: the collections that were created or dropped, or whose rules or
    schema have changed. Changed indexes do not count, because they do not change results.
    """

    epoch: str
    since: int
    seq: int
    changes: tuple[DocumentChange, ...] | None
    redefined: frozenset[str] = frozenset()


# A follower gets None if anything may have changed, for example after a restore.
Follower = Callable[[CommittedBatch | None], None]


class News:
    """Announces commits to the calls that wait for a commit, and to the followers of projects.

    At most `most` calls may wait at once, because each of them keeps a request open.
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

    def follow(self, project: str, follower: Follower) -> None:
        """Hand each later batch of the project to `follower`, in the event loop, in the order of the commits.

        A project has at most one follower.
        """
        self.followers[project] = follower

    def unfollow(self, project: str) -> None:
        self.followers.pop(project, None)

    def is_followed(self, project: str) -> bool:
        return project in self.followers

    def tell(self, project: str, batch: CommittedBatch | None = None) -> None:
        """Wake all calls that wait for this project, and hand the batch to its follower."""
        if (follower := self.followers.get(project)) is not None:
            follower(batch)
        for news in self.waiting.get(project, ()):
            if not news.done():
                news.set_result(None)
