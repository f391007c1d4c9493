"""Documents that others refer to, put beside them: `"expand": ["author", "author.team"]`.

The references of all documents of a page are read together, once for each path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import msgspec

from bunbase.bundoc.documents import Stored, read_all, seen
from bunbase.bundoc.engine import MAX_PAGE_BYTES, Engine
from bunbase.bundoc.schema.references import Reference, named
from bunbase.contracts.bundoc import InvalidQuery

MAX_PATHS: Final = 10
MAX_DEPTH: Final = 2
MAX_EXPANDED: Final = 1000  # documents beside those of one page: a few milliseconds of a thread

Visible = Callable[[str, Stored], bytes | None]  # the document as the caller sees it, None if it is hidden


class Expansion(msgspec.Struct, frozen=True):
    """What is to come along for one reference, and what for the documents found there."""

    reference: Reference
    further: tuple[Expansion, ...] = ()


def as_stored(_collection: str, document: Stored) -> bytes | None:
    """What the secret key sees."""
    return seen(document)


async def expansions(engine: Engine, project: str, collection: str, paths: tuple[str, ...]) -> tuple[Expansion, ...]:
    """Find the references that the paths name. Raises: InvalidQuery."""
    if len(paths) > MAX_PATHS:
        _refuse("/expand", f"Expand at most {MAX_PATHS} paths.")
    asked = [(number, tuple(path.split("."))) for number, path in enumerate(paths)]
    return await _resolved(engine, project, collection, asked, 1)


async def expanded(
    engine: Engine, project: str, shown: list[bytes], wanted: tuple[Expansion, ...], visible: Visible
) -> list[bytes]:
    """Give for each document, as the caller sees it, what stands in its `_expand`. Raises: InvalidQuery."""
    return await _Expanding(engine, project, visible).beside(shown, wanted)


def with_expanded(document: bytes, expanded: bytes) -> bytes:
    return document[:-1] + b',"_expand":' + expanded + b"}"


class _Expanding:
    """One page; counts what it reads."""

    def __init__(self, engine: Engine, project: str, visible: Visible) -> None:
        self.engine = engine
        self.project = project
        self.visible = visible
        self.read = 0
        self.bytes = 0

    async def beside(self, shown: list[bytes], wanted: tuple[Expansion, ...]) -> list[bytes]:
        documents = [read_all(one) for one in shown]
        fields: list[dict[str, Any]] = [{} for _ in shown]
        for one in wanted:
            path = one.reference.path
            ids = [[id for _, id in named(document, path)] for document in documents]
            found = await self._found(one, {id for of_document in ids for id in of_document})
            for field, document, of_document in zip(fields, documents, ids, strict=True):
                there = [msgspec.Raw(found[id]) for id in of_document if id in found]
                if _is_listed(document, path):
                    field[one.reference.field] = there
                elif there:
                    field[one.reference.field] = there[0]
        return [self._counted(msgspec.json.encode(field)) for field in fields]

    async def _found(self, one: Expansion, ids: Iterable[str]) -> dict[str, bytes]:
        """Give the documents by id, with what comes along for them."""
        wanted = tuple(sorted(set(ids)))
        self.read += len(wanted)
        if self.read > MAX_EXPANDED:
            _too_many()
        if not wanted:
            return {}
        stored = await self.engine.several(self.project, one.reference.collection, wanted)
        if sum(len(document.body) for document in stored) >= MAX_PAGE_BYTES:
            _too_many()
        all = {document.id: self.visible(one.reference.collection, document) for document in stored}
        shown = {id: body for id, body in all.items() if body is not None}
        if not one.further:
            return shown
        beside = await self.beside(list(shown.values()), one.further)
        return {id: with_expanded(body, more) for (id, body), more in zip(shown.items(), beside, strict=True)}

    def _counted(self, expanded: bytes) -> bytes:
        """One document may stand beside many: what is sent is counted, not what is read."""
        self.bytes += len(expanded)
        if self.bytes > MAX_PAGE_BYTES:
            _too_many()
        return expanded


async def _resolved(
    engine: Engine, project: str, collection: str, asked: list[tuple[int, tuple[str, ...]]], depth: int
) -> tuple[Expansion, ...]:
    terms = await engine.terms(project, collection)
    references = terms.references if terms else ()
    by_reference: dict[Reference, list[tuple[int, tuple[str, ...]]]] = {}
    for number, path in asked:
        reference = next((one for one in references if one.path == path[: len(one.path)]), None)
        if reference is None:
            _refuse(f"/expand/{number}", f"{'.'.join(path)} is no field with x-ref in the schema of {collection}.")
        rest = path[len(reference.path) :]
        if rest and depth == MAX_DEPTH:
            _refuse(f"/expand/{number}", f"Expand goes through at most {MAX_DEPTH} references.")
        by_reference.setdefault(reference, []).extend([(number, rest)] if rest else [])
    return tuple(
        [
            Expansion(one, await _resolved(engine, project, one.collection, further, depth + 1) if further else ())
            for one, further in by_reference.items()
        ]
    )


def _is_listed(document: Any, path: tuple[str, ...]) -> bool:
    """Say whether the path leads through or to an array."""
    if isinstance(document, list):
        return True
    return bool(path) and isinstance(document, dict) and _is_listed(document.get(path[0]), path[1:])


def _too_many() -> NoReturn:
    most = f"{MAX_EXPANDED} documents and {MAX_PAGE_BYTES >> 20} MiB"
    _refuse("/expand", f"More than {most} would come along: ask for a smaller page, or expand less.")


def _refuse(path: str, message: str) -> NoReturn:
    raise InvalidQuery(message, path=path)
