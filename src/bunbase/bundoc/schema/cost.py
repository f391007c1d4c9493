"""How often, at worst, one value of a document is checked: schemas that refer to each other can make it exponential."""

from __future__ import annotations

from typing import Final

from bunbase.bundoc.documents import MAX_LEVELS
from bunbase.bundoc.schema.keywords import Schema, meant, parts

MAX_CHECKS: Final = 2000  # on the way to one value; a check takes about 12 ns
ENDLESS: Final = MAX_CHECKS + 1

OF_ARRAYS: Final = frozenset({"items", "prefixItems", "contains", "unevaluatedItems"})


def worst(schema: Schema) -> int:
    """Give the number of checks on the way to a value, ENDLESS when it is larger than MAX_CHECKS."""
    return _Cost(schema).of(schema, MAX_LEVELS)


class _Cost:
    def __init__(self, root: Schema) -> None:
        self.root = root
        self.known: dict[tuple[int, int], int] = {}

    def of(self, schema: object, levels: int) -> int:
        if not isinstance(schema, dict) or levels == 0:
            return 1
        place = (id(schema), levels)
        if place not in self.known:
            self.known[place] = ENDLESS  # what leads back to itself without looking deeper
            self.known[place] = min(ENDLESS, self._counted(schema, levels))
        return self.known[place]

    def _counted(self, schema: Schema, levels: int) -> int:
        here = 1 + (self.of(meant(self.root, schema["$ref"]), levels) if "$ref" in schema else 0)
        objects = arrays = fields = items = 0
        for part in parts(schema):
            if part.here:
                here += self.of(part.schema, levels)
                continue
            cost = self.of(part.schema, levels - 1)
            if part.keyword == "properties":
                fields = max(fields, cost)  # a value has one name and one place
            elif part.keyword == "prefixItems":
                items = max(items, cost)
            elif part.keyword in OF_ARRAYS:
                arrays += cost
            else:
                objects += cost
        return here + max(objects + fields, arrays + items)
