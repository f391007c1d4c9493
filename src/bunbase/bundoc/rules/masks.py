"""Remove hidden fields from a document before a reader sees the document."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from bunbase.bundoc.documents import read_fields, read_items, write
from bunbase.bundoc.query.path_tree import TREES_KEPT, Tree, tree_of
from bunbase.pkg import effort


def masked(body: bytes, hidden: Iterable[str]) -> bytes:
    """Return a JSON object without the fields at these dotted paths; all other bytes stay the same.

    A path leads through lists, and lists inside lists, to every object in them. A filter on this path reaches these
    objects too (`query.predicate.reached`, and `$elemMatch` within `$elemMatch`).
    """
    tree = _tree(tuple(hidden))
    return _without(body, tree) if tree else body


@lru_cache(TREES_KEPT)
def _tree(dotted: tuple[str, ...]) -> Tree:
    return tree_of(tuple(tuple(path.split(".")) for path in dotted))


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
