"""Check the lines of an import without writing them: a dry run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.schema.validating import DocumentSchema
from bunbase.bundoc.transfer.import_line import ReadLine
from bunbase.contracts.bundoc.backups import ImportMode
from bunbase.contracts.bundoc.problems import CollectionNotFound, DocumentExists, InvalidDocument
from bunbase.pkg.errors import Problem

Outcome = (
    str | Problem | None
)  # The result for a line is the `seq` of its write ("" after a trial), the error, or None if the line was skipped.


async def try_lines(
    engine: Engine, project: str, mode: ImportMode, lines: Sequence[ReadLine], makes: bool
) -> list[Outcome]:
    """Return the outcome that each line would have.

    `makes`: true if the first document of a collection creates the collection.

    The form, the schema and the presence of the document are checked. Unique indexes and references are not checked,
    because the outcome would depend on the other lines.
    """
    schemas: dict[str, DocumentSchema | Problem | None] = {}
    for name in {line.collection for line in lines if line.problem is None}:
        terms = await engine.terms(project, name)
        lacking = None if makes else CollectionNotFound(f"There is no collection {name}: the import creates none.")
        schemas[name] = lacking if terms is None else await asyncio.to_thread(_schema, terms)
    misfits = await asyncio.to_thread(lambda: [_misfit(line, schemas) for line in lines])
    return [
        problem or await _presence(engine, project, mode, line) for line, problem in zip(lines, misfits, strict=True)
    ]


def _schema(terms: Terms) -> DocumentSchema | None:
    return terms.schema  # If the schema was not compiled before, it is compiled now.


def _misfit(line: ReadLine, schemas: dict[str, DocumentSchema | Problem | None]) -> Problem | None:
    if line.problem is not None:
        return line.problem
    schema = schemas[line.collection]
    if schema is None or isinstance(schema, Problem):
        return schema
    try:
        schema.check(line.body)
    except InvalidDocument as misfit:
        return misfit
    return None


async def _presence(engine: Engine, project: str, mode: ImportMode, line: ReadLine) -> Outcome:
    """Return the outcome that depends on whether the document exists."""
    if mode is ImportMode.REPLACE or line.id is None:
        return ""
    if await engine.get(project, line.collection, line.id) is None:
        return ""
    if mode is ImportMode.SKIP:
        return None
    return DocumentExists(f"{line.collection} has a document {line.id} already.")
