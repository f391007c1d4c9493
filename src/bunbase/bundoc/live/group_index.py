"""Find the groups that a change may concern. The index makes writes cheap, even with many groups.

The index stores a group under one equality that the group's filter or rule requires, such as `owner = "ada"`. A change
can concern the group only if the document has this value before or after the change. Groups without such an equality
are in a list, which every change of their collection must check.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.evaluation import Place
from bunbase.bundoc.live.group import Group
from bunbase.bundoc.live.visibility import View
from bunbase.bundoc.query.filters import Compare, Path
from bunbase.bundoc.query.implies import conjuncts
from bunbase.bundoc.query.predicate import candidates, comparable

SCALARS: Final = (str, int, float)

Equality = tuple[Path, Any]
Groups = dict[Group, None]  # groups in the order in which they were added


class Shelf:
    """The groups of one collection."""

    def __init__(self) -> None:
        self.all: Groups = {}
        self.rest: Groups = {}
        self.by_value: dict[Path, dict[Any, Groups]] = {}

    def add(self, group: Group, under: Equality | None) -> None:
        self.all[group] = None
        self._place(under, True)[group] = None

    def remove(self, group: Group, under: Equality | None) -> None:
        self.all.pop(group, None)
        self._place(under, False).pop(group, None)
        if under is not None and not self.by_value[under[0]][under[1]]:
            del self.by_value[under[0]][under[1]]
            if not self.by_value[under[0]]:
                del self.by_value[under[0]]

    def concerned(self, *documents: dict[str, Any]) -> Groups:
        found = dict(self.rest)
        for path, values in self.by_value.items():
            for document in documents:
                for value in candidates(document, path):
                    if isinstance(value, SCALARS):
                        found.update(values.get(comparable(value), {}))
        return found

    def _place(self, under: Equality | None, make: bool) -> Groups:
        if under is None:
            return self.rest
        path, value = under
        values = self.by_value.setdefault(path, {}) if make else self.by_value[path]
        return values.setdefault(value, {}) if make else values[value]


class GroupIndex:
    """All groups of one project, by collection, by equality, and by the documents that their rules look up."""

    def __init__(self) -> None:
        self.shelves: defaultdict[str, Shelf] = defaultdict(Shelf)
        self.filed: dict[Group, Equality | None] = {}
        self.looked_up: defaultdict[Place, Groups] = defaultdict(dict)
        self.noted: dict[Group, frozenset[Place]] = {}

    def file(self, group: Group) -> None:
        """Add a group, or update its place after a new result."""
        self.remove(group)
        under = equality_of(group.asked, group.result.view)
        self.filed[group] = under
        self.shelves[group.asked.collection].add(group, under)
        self.noted[group] = group.result.looked_up
        for place in group.result.looked_up:
            self.looked_up[place][group] = None

    def remove(self, group: Group) -> None:
        if group not in self.filed:
            return
        collection = group.asked.collection
        self.shelves[collection].remove(group, self.filed.pop(group))
        if not self.shelves[collection].all:
            del self.shelves[collection]
        for place in self.noted.pop(group):
            self.looked_up[place].pop(group, None)
            if not self.looked_up[place]:
                del self.looked_up[place]

    def concerned(self, collection: str, *documents: dict[str, Any]) -> Groups:
        return self.shelves[collection].concerned(*documents) if collection in self.shelves else {}

    def of_collection(self, collection: str) -> Iterator[Group]:
        """Yield the groups whose query or rules read the collection."""
        if collection in self.shelves:
            yield from self.shelves[collection].all
        for group, places in self.noted.items():
            if any(name == collection for name, _ in places):
                yield group

    def looking_up(self, place: Place) -> Groups:
        return self.looked_up.get(place, {})


def equality_of(asked: ParsedLive, view: View) -> Equality | None:
    """Return an equality that is true for every document of the result."""
    if asked.id is not None:
        return (("_id",), asked.id)
    for test in (*conjuncts(asked.where), *conjuncts(view.implied)):
        if isinstance(test, Compare) and test.op == "=":
            return test.path, comparable(test.value)
    return None
