"""Select fields of a document. The bytes of a selected field stay as they are stored. `_id` is always included."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.documents import Fields, StoredDocument, read_fields, read_items, with_system_fields, write
from bunbase.bundoc.query.filters import Path
from bunbase.bundoc.query.parse import parse_path, refuse
from bunbase.bundoc.query.path_tree import Tree, tree_of
from bunbase.pkg import effort

MAX_FIELDS: Final = 100


def parse_select(select: tuple[str, ...] | None) -> tuple[Path, ...] | None:
    """Parse the paths of the selected fields. Raises: InvalidQuery."""
    if select is None:
        return None
    if len(select) > MAX_FIELDS:
        refuse("/select", f"Select at most {MAX_FIELDS} fields.")
    return (("_id",), *(parse_path(dotted, f"/select/{number}") for number, dotted in enumerate(select)))


def selected(stored: StoredDocument, paths: tuple[Path, ...] | None) -> bytes:
    whole = with_system_fields(stored)
    if paths is None:
        return whole
    effort.note(len(whole) * effort.AT_EVERY_LEVEL)
    return write(_fields(read_fields(whole), tree_of(paths)))


def _fields(fields: Fields, tree: Tree) -> Fields:
    """Return the selected fields in the order of the document."""
    found: Fields = {}
    for name, value in fields.items():
        if name not in tree:
            continue
        below = tree[name]
        kept = value if below is None else _inside(bytes(value), below)
        if kept is not None:
            found[name] = msgspec.Raw(kept)
    return found


def _inside(value: bytes, tree: Tree) -> bytes | None:
    """Return the selected fields of an object, or of each object in an array; None for any other value."""
    if value[:1] == b"{":
        return write(_fields(read_fields(value), tree))
    if value[:1] == b"[":
        inside = (_inside(bytes(one), tree) for one in read_items(value))
        return b"[" + b",".join(one for one in inside if one is not None) + b"]"
    return None
