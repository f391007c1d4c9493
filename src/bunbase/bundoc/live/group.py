"""A group: the watches with the same view of the same query. It has one state, and one diff for all of them."""

from __future__ import annotations

from bunbase.bundoc.live.asked import Asked
from bunbase.bundoc.live.edge import Edge, Member
from bunbase.bundoc.live.evaluation import Result
from bunbase.bundoc.live.window import HeldRow
from bunbase.contracts.caller import Caller


class Group:
    """`result` is the state at the change `seq` of the history `epoch`.

    `told`: the rows after the last diff. `caller`: a caller with this view. `stale`: a query must run before anything
    is told. `regroup`: the rules may have changed, so the view of each member must be made again.
    """

    def __init__(self, asked: Asked, caller: Caller, result: Result, epoch: str, seq: int) -> None:
        self.asked = asked
        self.caller = caller
        self.members: dict[Member, None] = {}
        self.edges: dict[Edge, int] = {}  # how many watches of each edge hold the result
        self.turn = 0
        self.gone = False
        self.take(result, epoch, seq)
        self.tell()

    @property
    def name(self) -> str:
        return self.result.view.name

    def take(self, result: Result, epoch: str, seq: int) -> None:
        """Replace the state by the outcome of a query."""
        self.result = result
        self.epoch, self.seq = epoch, seq
        self.stale = self.regroup = False

    def tell(self) -> None:
        """Remember the present state as the one that edges hold."""
        self.told: list[HeldRow] = self.result.window.shown
        self.told_count = self.result.window.count
        self.told_epoch = self.epoch

    def start(self, member: Member) -> None:
        """The edge holds the result for this watch from now on."""
        member.started, member.resume = True, None
        self.edges[member.edge] = self.edges.get(member.edge, 0) + 1

    def stop(self, member: Member) -> None:
        """The edge does not hold the result for this watch, or not the right one. Idempotent."""
        if member.started:
            member.started = False
            self.edges[member.edge] -= 1
            if not self.edges[member.edge]:
                del self.edges[member.edge]
