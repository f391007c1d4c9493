"""Add the documents that other documents refer to: `"expand": ["author", "author.team"]`.

Each document to add is read once per page and path, and all documents are read in one snapshot. The rules of a
document's own collection decide whether the caller sees the document, and which of its fields.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import msgspec

from bunbase.bundoc.definition import NO_TERMS, Terms
from bunbase.bundoc.documents import Lookup, StoredDocument, read_all, with_system_fields
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.query.budgets import MAX_PAGE_BYTES
from bunbase.bundoc.schema.references import Reference, named
from bunbase.contracts.bundoc.problems import InvalidQuery
from bunbase.pkg import effort

MAX_PATHS: Final = 10
MAX_DEPTH: Final = 2
# At most this many documents are added to one page. Reading them takes a thread a few milliseconds.
MAX_EXPANDED: Final = 1000

# The arguments are a collection, its terms, a document and a function for look-ups. The result is the document as the
# caller sees it, or None if the document is hidden.
Visible = Callable[[str, Terms, StoredDocument, Lookup], bytes | None]


class Expansion(msgspec.Struct, frozen=True):
    """A reference to expand. `terms`: the terms of its target collection. `further`: the references to expand in the
    target.
    """

    reference: Reference
    terms: Terms
    further: tuple[Expansion, ...] = ()


def as_stored(_collection: str, _terms: Terms, document: StoredDocument, _lookup: Lookup) -> bytes | None:
    """Return the whole document, as the secret key sees it."""
    return with_system_fields(document)


async def expansions(engine: Engine, project: str, collection: str, paths: tuple[str, ...]) -> tuple[Expansion, ...]:
    """Return the references at the paths. Raises: InvalidQuery."""
    if len(paths) > MAX_PATHS:
        _refuse("/expand", f"Expand at most {MAX_PATHS} paths.")
    asked = [(number, tuple(path.split("."))) for number, path in enumerate(paths)]
    return await _resolved(engine, project, collection, asked, 1)


async def expanded(
    engine: Engine, project: str, shown: list[bytes], wanted: tuple[Expansion, ...], visible: Visible
) -> list[bytes]:
    """Return the value of `_expand` for each document. `shown` has the documents as the caller sees them.

    Raises: InvalidQuery if the added documents exceed the limits.
    """
    return await engine.snapshot(project, lambda lookup: _Expanding(lookup, visible).beside(shown, wanted))


def with_expanded(document: bytes, beside: bytes) -> bytes:
    return document[:-1] + b',"_expand":' + beside + b"}"


class _Expanding:
    """Expands the references of one page, and counts the bytes that are read and sent."""

    def __init__(self, lookup: Lookup, visible: Visible) -> None:
        self.lookup = lookup
        self.visible = visible
        self.looked_up = 0
        self.read_bytes = 0
        self.sent_bytes = 0

    def beside(self, shown: list[bytes], wanted: tuple[Expansion, ...]) -> list[bytes]:
        effort.note(sum(map(len, shown)))
        documents = [read_all(one) for one in shown]
        fields: list[dict[str, Any]] = [{} for _ in shown]
        for one in wanted:
            path = one.reference.path
            ids = [[id for _, id in named(document, path)] for document in documents]
            found = self._found(one, {id: None for of_document in ids for id in of_document})
            for field, document, of_document in zip(fields, documents, ids, strict=True):
                there = [msgspec.Raw(found[id]) for id in of_document if id in found]
                if _is_listed(document, path):
                    field[one.reference.field] = there
                elif there:
                    field[one.reference.field] = there[0]
        return [self._counted(field) for field in fields]

    def _found(self, one: Expansion, ids: Iterable[str]) -> dict[str, bytes]:
        """Return the documents by id, each with its own expansions."""
        shown = {id: body for id in ids if (body := self._seen(one, id)) is not None}
        if not one.further:
            return shown
        beside = self.beside(list(shown.values()), one.further)
        return {id: with_expanded(body, more) for (id, body), more in zip(shown.items(), beside, strict=True)}

    def _seen(self, one: Expansion, id: str) -> bytes | None:
        """Return the document as the caller sees it.

        Only bytes that the caller sees count. Otherwise, a refusal would reveal the size of hidden documents or fields.
        """
        self.looked_up += 1
        if self.looked_up > MAX_EXPANDED:
            _too_many()
        stored = self.lookup(one.reference.collection, id)
        if stored is None:
            return None
        shown = self.visible(one.reference.collection, one.terms, stored, self.lookup)
        self.read_bytes += len(shown or b"")
        if self.read_bytes > MAX_PAGE_BYTES:
            _too_many()
        return shown

    def _counted(self, field: dict[str, Any]) -> bytes:
        """Return the JSON of one `_expand`, and count its bytes, because a document may be sent many times."""
        self.sent_bytes += sum(len(one) for value in field.values() for one in _raws(value))
        if self.sent_bytes > MAX_PAGE_BYTES:
            _too_many()
        return msgspec.json.encode(field)


def _raws(value: Any) -> Iterable[bytes]:
    return [bytes(one) for one in (value if isinstance(value, list) else [value])]


async def _resolved(
    engine: Engine, project: str, collection: str, asked: list[tuple[int, tuple[str, ...]]], depth: int
) -> tuple[Expansion, ...]:
    terms = await engine.terms(project, collection)
    if terms is not None and not terms.quick:
        await asyncio.to_thread(terms.prepare)
    references = terms.references if terms else ()
    by_reference: dict[Reference, list[tuple[int, tuple[str, ...]]]] = {}
    for number, path in asked:
        reference = next((one for one in references if one.path == path[: len(one.path)]), None)
        if reference is None:
            where = f"the schema of {collection}" if depth == 1 else "the schema that the path leads to"
            _refuse(f"/expand/{number}", f"{'.'.join(path)} is not a field with x-ref in {where}.")
        rest = path[len(reference.path) :]
        if rest and depth == MAX_DEPTH:
            _refuse(f"/expand/{number}", f"expand follows at most {MAX_DEPTH} references.")
        by_reference.setdefault(reference, []).extend([(number, rest)] if rest else [])
    found: list[Expansion] = []
    for reference, rests in by_reference.items():
        further = await _resolved(engine, project, reference.collection, rests, depth + 1) if rests else ()
        found.append(Expansion(reference, await engine.terms(project, reference.collection) or NO_TERMS, further))
    return tuple(found)


def _is_listed(document: Any, path: tuple[str, ...]) -> bool:
    """True if the path leads through or to an array."""
    if isinstance(document, list):
        return True
    return bool(path) and isinstance(document, dict) and _is_listed(document.get(path[0]), path[1:])


def _too_many() -> NoReturn:
    most = f"{MAX_EXPANDED} documents and {MAX_PAGE_BYTES >> 20} MiB"
    _refuse("/expand", f"More than {most} would be added: use a smaller limit, or expand fewer fields.")


def _refuse(path: str, message: str) -> NoReturn:
    raise InvalidQuery(message, path=path)
