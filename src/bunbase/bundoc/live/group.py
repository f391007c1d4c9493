"""A group: the watches with the same view of the same query.

A group has one state, and one diff for all of its watches.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

import msgspec

from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.edge import Edge, Member
from bunbase.bundoc.live.evaluation import Result
from bunbase.bundoc.live.window import HeldRow, Window
from bunbase.contracts.caller import Caller

MINUTE: Final = 60  # Each result is checked once in this many seconds.


class Why(StrEnum):
    """The reason for which the query of a group must run again."""

    LOOKUP = "lookup"  # a document that the rules looked up has changed
    TIME = "time"  # a document has expired, or a rule reads the time
    RULES = "rules"  # rules or schema were altered
    REFILL = "refill"  # the window has too few rows
    CHANGE = "change"  # only the query can decide about a change
    BODIES = "bodies"  # a new member needs the bodies of documents, which the group does not hold
    AHEAD = "ahead"  # a new group has a later state than the other groups
    GAP = "gap"  # changes were lost, or a new history has begun


class Group:
    """`result` is the state at the change `seq` of the history `epoch`.

    `told`: the rows that clients have after the last diff. `caller`: a caller with this view. `user`: the user for
    whose limits the group counts.
    `stale`: true if a query must run before the group sends anything; `why` is the reason. `regroup`: true if the rules
    may have changed, so that the view of each member must be made again. `second`: the second of each minute (0–59) at
    which the result is checked.
    `slim`: true if the rows have no bodies. Without bodies, each change that may concern the group makes the group
    stale.
    """

    def __init__(self, asked: ParsedLive, caller: Caller, result: Result, epoch: str, seq: int) -> None:
        self.asked = asked
        self.caller = caller
        self.user = caller.counted_as
        self.members: dict[Member, None] = {}
        self.edges: Counter[Edge] = Counter()  # the number of watches of each edge that hold the result
        self.turn = 0
        self.gone = False
        self.why = Why.GAP
        self.take(result, epoch, seq)
        self.tell()
        self.second = int(self.name[:8], 16) % MINUTE

    @property
    def name(self) -> str:
        return self.result.view.name

    def take(self, result: Result, epoch: str, seq: int) -> None:
        """Make the result of a query the new state."""
        self.result = result
        self.epoch, self.seq = epoch, seq
        self.stale = self.regroup = self.slim = False

    def tell(self) -> None:
        """Record that edges now hold the present state."""
        self.told: list[HeldRow] = self.result.window.shown
        self.told_count = self.result.window.count
        self.told_epoch = self.epoch

    def drop_bodies(self) -> None:
        """Drop the bodies of the rows, and hold only ids and digests.

        Call this method after all changes have been sent.
        """
        window = self.result.window
        rows = [row.slimmed() for row in window.rows]
        slim = Window(rows, window.limit, window.more, window.count)
        self.result = msgspec.structs.replace(self.result, window=slim, follows=False)
        self.slim = True
        self.told = slim.shown
