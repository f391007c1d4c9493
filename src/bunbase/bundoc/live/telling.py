"""The end of a round: each group sends its changes, new watches get their results, and edges get a Barrier."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from bunbase.bundoc.engine import Engine, Logged
from bunbase.bundoc.live import frames
from bunbase.bundoc.live.edge import Edge, Member
from bunbase.bundoc.live.group import Group
from bunbase.bundoc.live.slices import Slices
from bunbase.bundoc.live.window import difference, digest
from bunbase.contracts.bundoc.live import Barrier, Behind, Check, Diff, Ended, Started
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem

MAX_LOGGED: Final = 5000  # A resume reads at most this many changes. After more changes, the client gets a snapshot.


class Telling:
    """Sends the changes of a round to the edges. `changed`: the groups whose state may differ from the last sent state.

    `expected`: the members without a result.

    `news` is set when results that had to wait can be sent. `edges`: the number of watches of each edge that hold a
    result of this project. `behind`: the watches that are behind, if their edge does not know it yet; the value is true
    if the query is too expensive for every round.
    """

    def __init__(self, project: str, engine: Engine, news: asyncio.Event) -> None:
        self.project = project
        self.engine = engine
        self.news = news
        self.changed: dict[Group, None] = {}
        self.expected: dict[Member, None] = {}
        self.edges: Counter[Edge] = Counter()
        self.behind: defaultdict[tuple[Edge, bool], list[int]] = defaultdict(list)

    def concerned(self, groups: Mapping[str, Group]) -> set[Group]:
        """Return the groups that have something to send: a change, or a result for a member."""
        waiting = {groups.get(member.group) for member in self.expected}
        return {*self.changed, *(group for group in waiting if group is not None)}

    def note(self, group: Group) -> None:
        self.changed[group] = None

    def expect(self, member: Member) -> None:
        self.expected[member] = None

    def expect_no_more(self, member: Member) -> None:
        self.expected.pop(member, None)

    def start(self, member: Member, group: Group) -> None:
        """Record that the edge (the process that serves the client) holds the group's result for this watch."""
        member.started = member.holds = True
        member.resume = None
        self.expected.pop(member, None)
        for edges in (group.edges, self.edges):
            edges[member.edge] += 1

    def stop(self, member: Member, group: Group) -> None:
        """Record that the edge holds no result for this watch, or a wrong result. Idempotent."""
        if member.started:
            member.started = False
            for edges in (group.edges, self.edges):
                edges[member.edge] -= 1
                if not edges[member.edge]:
                    del edges[member.edge]

    def end(self, member: Member, problem: Problem) -> None:
        if member.edge.watches.get(member.number) is member:
            del member.edge.watches[member.number]
            member.edge.put(Ended(member.number, problem.body()))

    def fall_behind(self, member: Member, dear: bool) -> None:
        """Record that this watch is behind, which its edge does not know yet.

        `dear` has the same meaning as in Behind.
        """
        if member.edge.watches.get(member.number) is member:
            del member.edge.watches[member.number]
            self.behind[member.edge, dear].append(member.number)

    def tell_behind(self) -> None:
        """Send each edge the numbers of its watches that are behind, before the next Barrier."""
        behind, self.behind = self.behind, defaultdict(list)
        for (edge, dear), numbers in behind.items():
            metrics.bundoc_live_behind.inc(len(numbers))
            edge.put(Behind(tuple(numbers), dear))

    async def tell(self, groups: Mapping[str, Group], barrier: Barrier, slices: Slices) -> None:
        """Send all changes, and then the barrier.

        All groups that are not stale have the state of this barrier; new groups may have a later state.
        """
        logged, seq = await self._logged(barrier.epoch), barrier.seq
        for group in list(self.changed):
            if group.gone:
                self.changed.pop(group, None)
            elif not group.stale:
                self._tell_changes(group, seq)
                self.changed.pop(group, None)
                await slices.turn()
        snapshots: dict[Group, bytes] = {}
        for member in list(self.expected):
            entered = groups.get(member.group)
            if entered is not None and not entered.stale and entered.seq <= seq and member in self.expected:
                if self._has_room(member):
                    self._tell_result(member, entered, seq, logged, snapshots)
                await slices.turn()
        for edge in list(self.edges):
            edge.put(barrier)

    def check(self, group: Group) -> None:
        """Send the digest of a result to the edges that hold it. An edge whose queue is nearly full gets no digest."""
        edges = [edge for edge in group.edges if edge.has_room] if group.asked.shows_rev else []
        if edges:
            check = Check(group.name, group.turn, len(group.told), digest(group.told))
            for edge in edges:
                edge.put(check)

    def _tell_changes(self, group: Group, seq: int) -> None:
        window = group.result.window
        if group.told_epoch != group.epoch:  # A new history has begun, so numbers of changes have another meaning.
            for member in group.members:
                self.stop(member, group)
                member.resume = None
                self.expect(member)
        shown = window.shown
        gone, put = difference(group.told, shown)
        counted = None if window.count == group.told_count else window.count
        if gone or put or counted is not None:
            group.turn += 1
            body = frames.changed(gone, put, counted)
            for edge in group.edges:
                edge.put(Diff(group.name, group.turn, seq, body))
            metrics.bundoc_live_diffs.inc()
        group.tell()

    def _has_room(self, member: Member) -> bool:
        """True if the stream to the edge has space for a result.

        Otherwise, a later round sends the result, after the edge has read more.

        Thousands of watches may begin at once. If their results filled the queue, the stream would end, and all watches
        would begin again.
        """
        if member.holds or member.edge.has_room:
            return True
        member.edge.on_read.add(self.news)
        return False

    def _tell_result(
        self,
        member: Member,
        group: Group,
        seq: int,
        logged: Logged | None,
        snapshots: dict[Group, bytes],
    ) -> None:
        """Send the result of a watch. `snapshots`: the whole results that were written in this round."""
        resume, rows, count = member.resume, group.told, group.told_count
        if resume is not None and logged is not None and logged.covers(resume.seq) and _fits(member, group, seq):
            collection, since = group.asked.collection, resume.seq
            body = frames.resumed(rows, resume.have, lambda id: logged.changed(collection, id, since), count)
            metrics.bundoc_live_resumes.labels("diff").inc()
        else:
            body = snapshots.get(group) or frames.snapshot(rows, count)
            snapshots[group] = body
            metrics.bundoc_live_resumes.labels("snapshot").inc() if resume is not None else None
        self.start(member, group)
        name, turn = group.name, group.turn
        member.edge.put(Started(member.number, name, turn, name, group.epoch, seq, body, member.checks))

    async def _logged(self, epoch: str) -> Logged | None:
        """Return the changes since the states from which clients want to resume; None if no client wants to resume.

        The log may be read after the round, so there may be later changes. The documents of these changes are sent once
        more.
        """
        wanted = [
            member.resume.seq
            for member in self.expected
            if member.resume is not None and member.resume.epoch == epoch and member.resume.v == member.group
            if member.edge.has_room
        ]
        if not wanted:
            return None
        return await self.engine.moment(self.project, lambda moment: moment.logged(min(wanted), MAX_LOGGED))


def _fits(member: Member, group: Group, seq: int) -> bool:
    """True if, apart from changed documents, the bodies that the client holds are still right."""
    resume = member.resume
    assert resume is not None
    same = resume.v == group.name and resume.epoch == group.epoch and resume.seq <= seq
    return same and group.result.view.steady
