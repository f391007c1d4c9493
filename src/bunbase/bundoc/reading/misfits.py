"""Find stored documents that violate a schema, either the saved schema or a proposed one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.schema.validating import DocumentSchema
from bunbase.contracts.bundoc.collections import Misfit, Misfits
from bunbase.pkg.cursors import decode_cursor, encode_cursor

# A page examines this many documents, which takes a thread 1 to 5 ms (2 to 10 µs for each document).
EXAMINED: Final = 500


async def misfits_of(
    engine: Engine, project: str, collection: str, schema: DocumentSchema, limit: int, cursor: str | None
) -> Misfits:
    """Return a page of documents that violate the schema. References are not checked. Raises: InvalidCursor."""
    name = f"misfits {collection}"
    after = decode_cursor(name, cursor, str) if cursor is not None else ""
    chunk = await engine.page(project, collection, after, EXAMINED)
    items, examined = await asyncio.to_thread(_first, schema, chunk.items, limit)
    more = chunk.more or examined < len(chunk.items)
    return Misfits(items, examined, encode_cursor(name, chunk.items[examined - 1].id) if more else None)


def _first(schema: DocumentSchema, documents: tuple[StoredDocument, ...], limit: int) -> tuple[tuple[Misfit, ...], int]:
    """Return the documents of a page that violate the schema, and the number of examined documents."""
    items: list[Misfit] = []
    for examined, (id, errors) in enumerate(_judged(schema, documents), 1):
        if errors:
            items.append(Misfit(id, errors))
        if len(items) == limit:
            return tuple(items), examined
    return tuple(items), len(documents)


def _judged(
    schema: DocumentSchema, documents: tuple[StoredDocument, ...]
) -> Iterator[tuple[str, tuple[dict[str, str], ...]]]:
    for document in documents:
        yield document.id, tuple(schema.violations(document.body))
