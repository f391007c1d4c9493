"""Read stored documents in the form that rules see, and only as much of them as a rule reads.

Most rules read a few fields by name. For such a rule, one pass over the text finds these fields and skips everything
else. For a large document, this takes a quarter to a fourteenth of the time of decoding all of it, so the time of a
denied `get` says less about the document. A short document is decoded as a whole, since this is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.pkg import effort
from bunbase.pkg.rules.inputs import json_value
from bunbase.pkg.rules.syntax import Field, Has, Index, Literal, Name, Node, children

# each name adds a comparison for every name of the document: with 8 names, 1 MB of short fields takes 2.4 ms, not 0.9
MAX_NAMES: Final = 8
# seeking one name is faster from 150 bytes, and 4 names from 500 bytes of objects or 2,000 bytes of text; but hidden
# fields need a second pass
WHOLE_BYTES: Final = 2048
WHOLE_BYTES_FOR_A_NAME: Final = 512
# the cost of skipping a byte as a part of the cost of decoding it: 1 MiB of small objects takes 1 ms instead of 14
SKIPPED_BYTES: Final = 8
READERS_KEPT: Final = 1024  # a reader takes 30 µs to make
NONE: Final = msgspec.Raw(b"")

SYSTEM_FIELDS: Final[dict[str, Callable[[StoredDocument], Any]]] = {
    "_id": lambda stored: stored.id,
    "_rev": lambda stored: stored.rev,
    "_created": lambda stored: stored.created,
    "_updated": lambda stored: stored.updated,
}

Skim = Callable[[bytes], tuple[msgspec.Raw, ...]]


class FieldsRead:
    """The fields of a document that rules read.

    `system`: the system fields. `own`: the names of the other fields. `whole_bytes`: a document whose body is not
    longer is decoded faster as a whole.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.system = tuple(sorted(SYSTEM_FIELDS.keys() & names))
        self.own = tuple(sorted(set(names) - SYSTEM_FIELDS.keys()))
        self.whole_bytes = max(WHOLE_BYTES, len(self.own) * WHOLE_BYTES_FOR_A_NAME) if self.own else 0
        self._skim: Skim | None = None

    def system_fields(self, stored: StoredDocument) -> dict[str, Any]:
        """Return the values of `system`."""
        return {name: SYSTEM_FIELDS[name](stored) for name in self.system}

    def texts(self, body: bytes) -> dict[str, bytes]:
        """Return the JSON of each field in `own` that the body of a document has."""
        if self._skim is None:
            self._skim = _skimming(self.own)
        if effort.counting is not None:
            effort.note(len(body) // SKIPPED_BYTES)
        found = zip(self.own, self._skim(body), strict=True)
        return {name: bytes(text) for name, text in found if text is not NONE}


class ReadParts(NamedTuple):
    """The parts of the stored and of the new document that rules read; None for the whole document."""

    doc: FieldsRead | None
    next: FieldsRead | None


WHOLE: Final = ReadParts(None, None)


def seen_fields(stored: StoredDocument) -> dict[str, Any]:
    """Return the fields of a stored document, including system fields, with numbers in the types of rules."""
    fields: dict[str, Any] = json_value(with_system_fields(stored))
    return fields


def reads_of(trees: Collection[Node]) -> ReadParts:
    """Return what the rules read of the documents."""
    return ReadParts(_part(trees, "doc"), _part(trees, "next"))


def _part(trees: Iterable[Node], variable: str) -> FieldsRead | None:
    names: set[str] = set()
    for tree in trees:
        for name in _names(tree, variable):
            if name is None:
                return None
            names.add(name)
    part = FieldsRead(names)
    return part if len(part.own) <= MAX_NAMES and all(map(_may_be_sought, part.own)) else None


def _names(node: Node, variable: str) -> Iterator[str | None]:
    """Yield the name of each field that the node reads, and None if it reads the document in another way."""
    match node:
        case Field(of=Name(name=of), name=name) | Has(of=Name(name=of), name=name) if of == variable:
            yield name
        case Index(of=Name(name=of), at=Literal(value=str() as name)) if of == variable:
            yield name
        case Name(name=name) if name == variable:
            yield None
        case _:
            for child in children(node):
                yield from _names(child, variable)


def _may_be_sought(name: str) -> bool:
    """False for names with characters that JSON escapes; msgspec compares names without such characters."""
    return name.isprintable() and '"' not in name and "\\" not in name


@lru_cache(READERS_KEPT)
def _skimming(names: tuple[str, ...]) -> Skim:
    """Return a function that takes a JSON object, and returns the texts of these fields; NONE for a missing field."""
    places = [f"at_{number}" for number in range(len(names))]
    found = msgspec.defstruct(
        "Found",
        [(place, msgspec.Raw, NONE) for place in places],
        rename=dict(zip(places, names, strict=True)),
        gc=False,
    )
    decode = msgspec.json.Decoder(found).decode
    return lambda body: msgspec.structs.astuple(decode(body))
