"""Hidden fields: what a reader may not see is taken out of a document before it is sent."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bunbase.bundoc import effort
from bunbase.bundoc.documents import read_fields, read_items, write

Path = list[str]


def masked(body: bytes, hidden: Iterable[str]) -> bytes:
    """Return a JSON object without the fields at these dotted paths; all else stays as it was written.

    A path leads through lists, and lists in them, to every object there: a filter that names it looks at those too
    (`query.predicate.reached`, and `$elemMatch` within `$elemMatch`).
    """
    paths = [path.split(".") for path in hidden]
    return _without(body, paths) if paths else body


def _without(body: bytes, paths: list[Path]) -> bytes:
    effort.note(len(body))
    fields = read_fields(body)
    for name in {path[0] for path in paths} & fields.keys():
        below = [path[1:] for path in paths if path[0] == name]
        if [] in below:
            del fields[name]
        else:
            fields[name] = msgspec.Raw(_inside(bytes(fields[name]), below))
    return write(fields)


def _inside(value: bytes, paths: list[Path]) -> bytes:
    if value[:1] == b"{":
        return _without(value, paths)
    if value[:1] == b"[" and b"{" in value:
        return write([msgspec.Raw(_inside(bytes(one), paths)) for one in read_items(value)])
    return value
