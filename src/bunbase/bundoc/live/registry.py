"""All groups of one project: by name, by what they depend on, and those whose query must run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from bunbase.bundoc.live.group import Group, Why
from bunbase.bundoc.live.group_index import GroupIndex
from bunbase.contracts.bundoc.live import TooManyLiveQueries
from bunbase.pkg import metrics

MAX_GROUPS: Final = 10_000
MAX_UNFILED: Final = 2000  # groups of one collection without an equality, since every change must ask them
MAX_HELD_BYTES: Final = 64 << 20


class Registry:
    """`stale`: the groups whose query must run. `timed`: when results may change by themselves, in ms since 1970.

    `by_second`: the groups by the second of each minute in which their results are checked.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Group] = {}
        self.index = GroupIndex()
        self.stale: dict[Group, None] = {}
        self.timed: dict[Group, int] = {}
        self.by_second: defaultdict[int, dict[Group, None]] = defaultdict(dict)
        self._held: dict[Group, int] = {}
        self._held_bytes = 0

    def check_room(self, collection: str, beginning: int) -> None:
        """Check that one more group is allowed beside the `beginning` ones. Raises: TooManyLiveQueries."""
        if len(self.by_name) + beginning >= MAX_GROUPS:
            raise TooManyLiveQueries(f"A project can have {MAX_GROUPS} different live queries at once.")
        if self.index.unfiled(collection) >= MAX_UNFILED:
            message = f"More than {MAX_UNFILED} live queries of this collection demand no value of a field: add one."
            raise TooManyLiveQueries(message)
        if self._held_bytes >= MAX_HELD_BYTES:
            raise TooManyLiveQueries(f"The live queries of a project can hold {MAX_HELD_BYTES >> 20} MiB of documents.")

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
        self._held_bytes -= self._held.get(group, 0)
        self._held[group] = sum([len(row.body) for row in group.result.window.rows])
        self._held_bytes += self._held[group]

    def remove(self, group: Group) -> None:
        """Forget a group. Idempotent."""
        if group.gone:
            return
        group.gone = True
        self.timed.pop(group, None)
        self._held_bytes -= self._held.pop(group)
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
