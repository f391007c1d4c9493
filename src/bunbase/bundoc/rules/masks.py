"""Hidden fields: what a reader may not see is taken out of a document before it is sent."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bunbase.bundoc import effort
from bunbase.bundoc.documents import read_fields, write


def masked(body: bytes, hidden: Iterable[str]) -> bytes:
    """Give a JSON object without the fields at these dotted paths; all else stays as it was written.

    A path that meets no object, a list included, hides nothing below it: name the list itself to hide it.
    """
    paths = [path.split(".") for path in hidden]
    return _without(body, paths) if paths else body


def _without(body: bytes, paths: list[list[str]]) -> bytes:
    effort.note(len(body))
    fields = read_fields(body)
    for name in {path[0] for path in paths} & fields.keys():
        below = [path[1:] for path in paths if path[0] == name]
        if [] in below:
            del fields[name]
        elif bytes(fields[name])[:1] == b"{":
            fields[name] = msgspec.Raw(_without(bytes(fields[name]), below))
    return write(fields)
