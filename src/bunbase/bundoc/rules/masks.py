"""Remove hidden fields from a document before a reader sees the document."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from bunbase.bundoc.documents import read_fields, read_items, write
from bunbase.pkg import effort

TREES_KEPT: Final = 256

Tree = dict[str, "Tree | None"]  # the hidden fields below each name; None if the field itself is hidden


def masked(body: bytes, hidden: Iterable[str]) -> bytes:
    """Return a JSON object without the fields at these dotted paths; all other bytes stay the same.

    A path leads through lists, and lists inside lists, to every object in them. A filter on this path reaches these
    objects too (`query.predicate.reached`, and `$elemMatch` within `$elemMatch`).
    """
    tree = _tree(tuple(hidden))
    return _without(body, tree) if tree else body


@lru_cache(TREES_KEPT)
def _tree(paths: tuple[str, ...]) -> Tree:
    """Return the paths as a tree of names, so that each name of an object needs one lookup for any number of paths."""
    tree: Tree = {}
    for path in sorted(paths, key=len):  # a path comes before the longer paths below it
        at = tree
        *above, last = path.split(".")
        for name in above:
            below = at.setdefault(name, {})
            if below is None:
                break
            at = below
        else:
            at[last] = None
    return tree


def _without(body: bytes, tree: Tree) -> bytes:
    effort.note(len(body) * effort.AT_EVERY_LEVEL)
    fields = read_fields(body)
    for name in tree.keys() & fields.keys():
        below = tree[name]
        if below is None:
            del fields[name]
        else:
            fields[name] = msgspec.Raw(_inside(bytes(fields[name]), below))
    return write(fields)


def _inside(value: bytes, tree: Tree) -> bytes:
    if value[:1] == b"{":
        return _without(value, tree)
    if value[:1] == b"[" and b"{" in value:
        return write([msgspec.Raw(_inside(bytes(one), tree)) for one in read_items(value)])
    return value
