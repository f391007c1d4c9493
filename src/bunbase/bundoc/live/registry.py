"""All groups of one project: by name, by what they depend on, and those whose query must run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import msgspec

from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.group import Group, Why
from bunbase.bundoc.live.group_index import GroupIndex, equality_of
from bunbase.bundoc.live.visibility import View
from bunbase.bundoc.live.window import Window
from bunbase.contracts.bundoc.live import TooManyLiveQueries
from bunbase.pkg import metrics
from bunbase.pkg.shares import Shares

MAX_GROUPS: Final = 10_000
MAX_UNFILED: Final = 2000  # groups of one collection without an equality, since every change must ask them
MAX_HELD_BYTES: Final = 64 << 20
SHARED: Final = "All users share this limit, and one user can have at most as much as is free: watch less."


class Charge(msgspec.Struct, frozen=True):
    """What a group uses, and the user for whom it is counted."""

    user: str
    held_bytes: int
    unfiled: str  # its collection; "" if it is filed under a value


class Registry:
    """`stale`: the groups whose query must run. `timed`: when results may change by themselves, in ms since 1970.

    `by_second`: the groups by the second of each minute in which their results are checked. `count`, `unfiled` (by
    collection) and `held`: what the groups use, which users share. A group counts for one of those who watch it.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Group] = {}
        self.index = GroupIndex()
        self.stale: dict[Group, None] = {}
        self.timed: dict[Group, int] = {}
        self.by_second: defaultdict[int, dict[Group, None]] = defaultdict(dict)
        self.count = Shares(MAX_GROUPS)
        self.unfiled: defaultdict[str, Shares] = defaultdict(lambda: Shares(MAX_UNFILED))
        self.held = Shares(MAX_HELD_BYTES)
        self._charges: dict[Group, Charge] = {}

    def check_room(self, asked: ParsedLive, view: View, user: str, beginning: int, of_user: int) -> None:
        """Check that the user may have one more group beside the `beginning` ones, of which `of_user` are the user's.

        Raises: TooManyLiveQueries.
        """
        if not self.count.allows(user, soon=beginning, soon_of_user=of_user):
            raise TooManyLiveQueries(f"A project can have {MAX_GROUPS} different live queries at once. {SHARED}")
        if equality_of(asked, view) is None and not self.unfiled[asked.collection].allows(user):
            raise TooManyLiveQueries(
                f"A collection can have {MAX_UNFILED} live queries that demand no value of a field. {SHARED} A query "
                'that demands one, as in {"status":"open"}, is not counted here.'
            )
        self._check_held(user, 0)

    def check_result(self, user: str, window: Window) -> None:
        """Check that the user may have a group with this result. Raises: TooManyLiveQueries."""
        self._check_held(user, window.held_bytes)

    def _check_held(self, user: str, more: int) -> None:
        if not self.held.allows(user, more):
            message = f"The live queries of a project can hold {MAX_HELD_BYTES >> 20} MiB of documents. {SHARED}"
            raise TooManyLiveQueries(message)

    def add(self, group: Group) -> None:
        self.by_name[group.name] = group
        self.by_second[group.second][group] = None
        self.file(group)
        metrics.bundoc_live_groups.labels(group.result.view.kind).inc()

    def file(self, group: Group) -> None:
        """Note what the present result depends on, and how large it is. The group is not stale any more."""
        self.stale.pop(group, None)
        self.index.file(group)
        self.timed.pop(group, None)
        if group.result.due is not None:
            self.timed[group] = group.result.due
        self._charge(group)

    def recharge(self, group: Group) -> None:
        """Count the group for the one who watches it for the longest time."""
        user = next(iter(group.members)).caller.counted_as
        if user != group.user:
            group.user = user
            self._charge(group)

    def remove(self, group: Group) -> None:
        """Forget a group. Idempotent."""
        if group.gone:
            return
        group.gone = True
        self.timed.pop(group, None)
        self._discharge(group)
        self.by_name.pop(group.name, None)
        self.by_second[group.second].pop(group, None)
        self.stale.pop(group, None)
        self.index.remove(group)
        metrics.bundoc_live_groups.labels(group.result.view.kind).dec()

    def mark(self, groups: Iterable[Group], why: Why, regroup: bool = False) -> None:
        """Make groups stale. `regroup`: the view of each member must be made again."""
        for group in list(groups):
            if not group.gone:
                group.why = group.why if group.stale else why
                group.stale = True
                group.regroup = group.regroup or regroup
                self.stale[group] = None

    def mark_all(self, regroup: bool = False) -> None:
        self.mark(self.by_name.values(), Why.GAP, regroup)

    def mark_altered(self, collections: Iterable[str]) -> None:
        """Make the groups stale whose query or rules read one of these collections, and which may have other rules."""
        for collection in collections:
            self.mark(self.index.of_collection(collection), Why.RULES, regroup=True)

    def mark_due(self, now_ms: float) -> None:
        self.mark([group for group, due in self.timed.items() if due <= now_ms], Why.TIME)

    def mark_ahead(self, seq: int) -> None:
        """Make the groups stale that stand after the change `seq`."""
        self.mark([group for group in self.by_name.values() if group.seq > seq], Why.AHEAD)

    def _charge(self, group: Group) -> None:
        self._discharge(group)
        unfiled = group.asked.collection if self.index.filed[group] is None else ""
        charge = self._charges[group] = Charge(group.user, group.result.window.held_bytes, unfiled)
        self.count.add(charge.user)
        self.held.add(charge.user, charge.held_bytes)
        if unfiled:
            self.unfiled[unfiled].add(charge.user)

    def _discharge(self, group: Group) -> None:
        """Count the group for nobody. Idempotent."""
        charge = self._charges.pop(group, None)
        if charge is None:
            return
        self.count.remove(charge.user)
        self.held.remove(charge.user, charge.held_bytes)
        if charge.unfiled:
            self.unfiled[charge.unfiled].remove(charge.user)
            if not self.unfiled[charge.unfiled].used:
                del self.unfiled[charge.unfiled]
