"""Apply the changes of a round to the groups that they concern, in the event loop and without queries."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Final

from bunbase.bundoc.changes import DocumentChange
from bunbase.bundoc.live.evaluation import check_size
from bunbase.bundoc.live.group import Group, Why
from bunbase.bundoc.live.incremental import Image, apply_change, touches
from bunbase.bundoc.live.payers import payer, users_of
from bunbase.bundoc.live.registry import Registry
from bunbase.bundoc.live.slices import Slices
from bunbase.bundoc.live.telling import Telling
from bunbase.contracts.bundoc.live import LiveQueryTooLarge
from bunbase.pkg import metrics
from bunbase.pkg.rules.inputs import Postponed

FOLLOW_SECONDS: Final = 0.1  # In each round, the changes to one user's groups get this much processor time.


class Follower:
    """Applies changes to groups.

    `spent`: for each user, the seconds that changes to the user's groups have taken in this round.
    """

    def __init__(self, groups: Registry, telling: Telling, slices: Slices) -> None:
        self.groups = groups
        self.telling = telling
        self.slices = slices
        self.spent: defaultdict[str, float] = defaultdict(float)

    async def apply(self, change: DocumentChange) -> None:
        """Apply a change to all groups that it concerns. A group becomes stale if only a query can decide about the
        change.
        """
        before, after = Image(change.before), Image(change.after)
        document = change.after or change.before
        assert document is not None
        self.groups.mark(
            [one for one in self.groups.index.looking_up((change.collection, document.id)) if one.seq < change.seq],
            Why.LOOKUP,
        )
        if before.large or after.large:
            await asyncio.to_thread(lambda: (before.fields, after.fields))
        followed, at = 0, time.thread_time()
        for group in self.groups.index.concerned(change.collection, before.fields, after.fields):
            if group.gone or group.stale or group.seq >= change.seq:
                continue
            if not group.result.follows or before.large or after.large:
                self.groups.mark([group] if touches(group.asked, before, after) else [], Why.CHANGE)
            elif self.spent[user := self._payer(group)] > FOLLOW_SECONDS:
                self.groups.mark([group], Why.CHANGE)  # The time is used up. One query may cost less than many changes.
            else:
                self._follow(group, before, after)
                followed += 1
                now = time.thread_time()
                self.spent[user] += now - at
                at = now
            if await self.slices.turn():
                at = time.thread_time()
        metrics.bundoc_live_evaluations.inc(followed)

    def _payer(self, group: Group) -> str:
        """Return the user whose time the group uses: the group's own user, if this user has time left."""
        if self.spent[group.user] <= FOLLOW_SECONDS:
            return group.user
        return payer(users_of([member.caller for member in group.members]) or (group.user,), self.spent)

    def _follow(self, group: Group, before: Image, after: Image) -> None:
        window = group.result.window
        try:
            if apply_change(group.asked, group.result, before, after):
                self.telling.note(group)
                self.groups.weigh(group)
                if window.lacks_rows:
                    self.groups.mark([group], Why.REFILL)
                check_size(window, group.asked.bounded)
        except (Postponed, LiveQueryTooLarge):
            self.groups.mark([group], Why.CHANGE)  # The query decides about this change.
