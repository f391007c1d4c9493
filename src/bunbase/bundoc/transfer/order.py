"""The order of collections in an export: each collection comes after the collections that its schema refers to.

So an import finds the documents to which a line refers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bunbase.bundoc.schema.references import references_of
from bunbase.contracts.bundoc.collections import Collection


def referenced_first(collections: Sequence[Collection]) -> list[str]:
    """Return the names. Each name comes after the collections that its schema refers to. Otherwise, the order stays.

    If collections refer to each other in a circle, the circle is cut at one of them.
    """
    needs = {one.name: [reference.collection for reference in references_of(one.schema or {})] for one in collections}
    ordered: dict[str, None] = {}
    begun: set[str] = set()
    for name in needs:
        path = _begin(name, needs, begun)
        while path:  # The stack is explicit, because a chain of collections may be long.
            current, waiting = path[-1]
            needed = next(waiting, None)
            if needed is None:
                ordered[current] = None
                path.pop()
            else:
                path += _begin(needed, needs, begun)
    return list(ordered)


def _begin(name: str, needs: dict[str, list[str]], begun: set[str]) -> list[tuple[str, Iterator[str]]]:
    if name in begun or name not in needs:
        return []
    begun.add(name)
    return [(name, iter(needs[name]))]
