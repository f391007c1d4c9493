"""Announce changes within this process.

Some calls wait for a project's next change, and live queries follow all changes.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bunbase.bundoc.documents import StoredDocument
from bunbase.contracts.bundoc.problems import BundocBusy
from bunbase.pkg.waiting_calls import WaitingCalls


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


class News(WaitingCalls):
    """Announces commits to the calls that wait for a commit, and to the followers of projects."""

    def __init__(self, most: int) -> None:
        super().__init__(most, _too_many)
        self.followers: dict[str, Follower] = {}

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
        self.wake(project)


def _too_many() -> BundocBusy:
    return BundocBusy("Too many calls wait for changes; send wait_seconds=0.", retry_after_seconds=1)
