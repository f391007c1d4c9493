"""Store all groups of one project, find them by name or dependency, and list those whose query must run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from itertools import islice
from typing import Final

import msgspec

from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.edge import Member
from bunbase.bundoc.live.group import Group, Why
from bunbase.bundoc.live.group_index import GroupIndex, equality_of
from bunbase.bundoc.live.payers import users_of
from bunbase.bundoc.live.visibility import View
from bunbase.bundoc.live.window import Window
from bunbase.contracts.bundoc.live import TooManyLiveQueries
from bunbase.pkg import metrics
from bunbase.pkg.shares import Shares

MAX_GROUPS: Final = 10_000
MAX_UNFILED: Final = 2000  # If all bodies take more memory than this, the groups that were queried last hold only ids.
# All results together take at most this much memory, because one round may have to query all of them.
MAX_HELD_BYTES: Final = 64 << 20
MAX_TOTAL_BYTES: Final = 256 << 20  # the limit of all results, because one round may have to query all of them
# At most this many watches of a group are examined to find the user for whose limits the group counts.
MOST_ASKED: Final = 32
SHARED: Final = "All users share this limit, and one user can have at most as much as is free: watch less."


class Weight(msgspec.Struct, frozen=True):
    """The part of the limits that a group uses, and the user for whom this part counts.

    `held`: the bytes of the bodies that the group holds now. `total`: the bytes of its query and of its whole result,
    even while the group is `slim`.
    `unfiled`: the collection of the group; "" if the group is filed under a value.
    """

    user: str
    held: int
    total: int
    unfiled: str


class Registry:
    """The groups and watches of one project. `stale`: the groups whose query must run.

    `timed`: the times at which results may change without a write, in ms since 1970.

    `by_second`: the groups by the second of each minute in which their results are checked. `count`, `unfiled` (by
    collection) and `total` (bytes): how much of the shared limits is in use. A group counts for one of the users who
    watch it.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Group] = {}
        self.index = GroupIndex()
        self.stale: dict[Group, None] = {}
        self.timed: dict[Group, int] = {}
        self.by_second: defaultdict[int, dict[Group, None]] = defaultdict(dict)
        self.count = Shares(MAX_GROUPS)
        self.unfiled: defaultdict[str, Shares] = defaultdict(lambda: Shares(MAX_UNFILED))
        self.total = Shares(MAX_TOTAL_BYTES)
        self.held_bytes = 0
        self._weights: dict[Group, Weight] = {}
        self._whole: dict[Group, None] = {}  # The groups that hold bodies, in the order of their last queries.

    def check_room(self, asked: ParsedLive, view: View, user: str, beginning: int, of_user: int) -> None:
        """Check that the user may have one more group.

        `beginning`: the number of groups whose first query waits or runs; `of_user`: the part of these that belongs to
        this user.

        Raises: TooManyLiveQueries.
        """
        if not self.count.allows(user, soon=beginning, soon_of_user=of_user):
            raise TooManyLiveQueries(f"A project can have {MAX_GROUPS} different live queries at once. {SHARED}")
        if equality_of(asked, view) is None and not self.unfiled[asked.collection].allows(user):
            raise TooManyLiveQueries(
                f"A collection can have {MAX_UNFILED} live queries that demand no value of a field. {SHARED} A query "
                'that demands one, as in {"status":"open"}, is not counted here.'
            )
        self._check_total(user, asked.memory)

    def check_result(self, user: str, asked: ParsedLive, window: Window) -> None:
        """Check that the user may have a group with this result. Raises: TooManyLiveQueries."""
        self._check_total(user, asked.memory + window.total_bytes)

    def _check_total(self, user: str, more: int) -> None:
        if not self.total.allows(user, more):
            raise TooManyLiveQueries(
                f"The results and filters of a project's live queries can have {MAX_TOTAL_BYTES >> 20} MiB together. "
                f"{SHARED}"
            )

    def add(self, group: Group) -> None:
        self.by_name[group.name] = group
        self.by_second[group.second][group] = None
        self.file(group)
        metrics.bundoc_live_groups.labels(group.result.view.kind).inc()

    def file(self, group: Group) -> None:
        """Record the dependencies and the size of the present result. The group is then no longer stale."""
        self.stale.pop(group, None)
        self.index.file(group)
        self.timed.pop(group, None)
        if group.result.due is not None:
            self.timed[group] = group.result.due
        self._whole.pop(group, None)
        self._whole[group] = None
        self.weigh(group)

    def weigh(self, group: Group) -> None:
        """Record the size of the present result of a group, and count the group for one of its watchers."""
        window, before = group.result.window, self._weights.get(group)
        self._forget_weight(group)
        total = before.total if before is not None and group.slim else window.total_bytes + group.asked.memory
        unfiled = group.asked.collection if self.index.filed[group] is None else ""
        group.user = self._payer(group, unfiled)
        weight = self._weights[group] = Weight(group.user, window.bytes, total, unfiled)
        self.held_bytes += weight.held
        self.count.add(weight.user)
        self.total.add(weight.user, weight.total)
        if unfiled:
            self.unfiled[unfiled].add(weight.user)

    def watched_by_one_more(self, group: Group) -> None:
        """Choose again the user for whom the group counts, if the group has few watchers."""
        if len(group.members) <= MOST_ASKED:
            self.weigh(group)

    def _payer(self, group: Group, unfiled: str) -> str:
        """Return the user who uses least of the limits, among a few users who watch the group.

        If two users use equally much, return the first. If a group always counted for its first watcher, a user who was
        the first to watch many common queries could watch nothing else.
        """
        callers = [member.caller for member in islice(group.members, MOST_ASKED)]
        shares = [self.count, self.total, *([self.unfiled[unfiled]] if unfiled else ())]

        def use(user: str) -> float:
            return max([float(one.by_user[user] / one.most) for one in shares])

        return min(users_of(callers) or (group.user,), key=use)

    @property
    def overfull(self) -> bool:
        """True if the bodies of all groups exceed their limit."""
        return self.held_bytes > MAX_HELD_BYTES

    def drop_bodies(self, spared: Container[Group]) -> None:
        """Let groups hold only ids until the bodies of the remaining groups fit.

        Stale groups, and the groups in `spared`, keep their bodies.
        """
        for group in list(reversed(self._whole)):
            if self.overfull and not group.stale and group not in spared:
                group.drop_bodies()
                del self._whole[group]
                self.weigh(group)

    def remove(self, group: Group) -> None:
        """Forget a group. Idempotent."""
        if group.gone:
            return
        group.gone = True
        self.timed.pop(group, None)
        self._forget_weight(group)
        self._whole.pop(group, None)
        self.by_name.pop(group.name, None)
        self.by_second[group.second].pop(group, None)
        self.stale.pop(group, None)
        self.index.remove(group)
        metrics.bundoc_live_groups.labels(group.result.view.kind).dec()

    def remove_empty(self) -> None:
        """Forget the groups without members: their callers left during the first query."""
        for group in [one for one in self.by_name.values() if not one.members]:
            self.remove(group)

    def members(self) -> list[Member]:
        return [member for group in self.by_name.values() for member in group.members]

    def mark(self, groups: Iterable[Group], why: Why, regroup: bool = False) -> None:
        """Make groups stale. `regroup`: true if the view of each member must be made again."""
        for group in list(groups):
            if not group.gone:
                group.why = group.why if group.stale else why
                group.stale = True
                group.regroup = group.regroup or regroup
                self.stale[group] = None

    def mark_all(self, regroup: bool = False) -> None:
        self.mark(self.by_name.values(), Why.GAP, regroup)

    def mark_altered(self, collections: Iterable[str]) -> None:
        """Make the groups stale that read one of these collections in their query or rules.

        The rules of these collections may have changed.
        """
        for collection in collections:
            self.mark(self.index.of_collection(collection), Why.RULES, regroup=True)

    def mark_due(self, now_ms: float) -> None:
        self.mark([group for group, due in self.timed.items() if due <= now_ms], Why.TIME)

    def mark_ahead(self, seq: int) -> None:
        """Mark the groups as stale whose state is later than the change `seq`."""
        self.mark([group for group in self.by_name.values() if group.seq > seq], Why.AHEAD)

    def _forget_weight(self, group: Group) -> None:
        """Stop counting the group for any user. Idempotent."""
        weight = self._weights.pop(group, None)
        if weight is None:
            return
        self.held_bytes -= weight.held
        self.count.remove(weight.user)
        self.total.remove(weight.user, weight.total)
        if weight.unfiled:
            self.unfiled[weight.unfiled].remove(weight.user)
            if not self.unfiled[weight.unfiled].used:
                del self.unfiled[weight.unfiled]
