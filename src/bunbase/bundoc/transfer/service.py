"""Export documents in pages, sorted by id, and import them in batches of ordinary writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from bunbase.bundoc.counted import counted
from bunbase.bundoc.documents import check_collection, check_id, with_system_fields
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.schema.references import REF
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.transfer.import_line import ReadLine, read_line
from bunbase.bundoc.transfer.order import referenced_first
from bunbase.bundoc.transfer.trial import Outcome, try_lines
from bunbase.bundoc.writes import CommitStep, Create, Put
from bunbase.contracts.bundoc.backups import Imported, ImportMode
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import (
    BeforeWriteBusy,
    BundocBusy,
    CollectionNotFound,
    DataUnreadable,
    DiskFull,
    DocumentExists,
    InvalidDocument,
    RuleDenied,
)
from bunbase.contracts.bunkms import KeyDestroyed, KeyNotFound
from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.pkg.errors import InvalidInput, Problem, Unreachable
from bunbase.pkg.ids import new_id
from bunbase.pkg.ndjson import ExportPart, ImportLine, RefusedLine

# A page has at most this many documents, because it occupies a thread of the pool for some milliseconds.
PAGE: Final = 200
PART_BYTES: Final = 256 << 10
MAX_ERRORS: Final = 1000
MAX_LINES: Final = 500
MAX_IN_FLIGHT_BYTES: Final = 4 << 20
ASKED_AT_ONCE: Final = 4  # At most this many commits wait for decisions of functions at the same time.
# A commit about which a function decides has at most this many documents, because one call has 2 s for all of them.
ASKED_TOGETHER: Final = 32
BUSY_TRIES: Final = 6
BUSY_SECONDS: Final = 0.25  # The first pause has this length. The pause doubles with each try, up to 16 s in total.

# These errors concern the project or the server, not one line. All further lines would fail too.
ENDS: Final = (
    BundocBusy,
    BeforeWriteBusy,
    DiskFull,
    DataUnreadable,
    RuleDenied,
    KeyDestroyed,
    KeyNotFound,
    Unreachable,
)


class TransferService:
    """Implements export and import in `contracts.bundoc.backups`."""

    def __init__(self, engine: Engine, documents: BundocService) -> None:
        self.transfer_engine = engine
        self.documents = documents

    async def export_documents(self, caller: Caller, collection: str | None, after: str) -> AsyncIterator[ExportPart]:
        with counted("export"):
            project = _as_server(caller, Act.DOCUMENT_EXPORT, collection).project
            if collection is not None:
                check_collection(collection, "collection")
                if after:
                    check_id(after, "after")
                if await self.transfer_engine.terms(project, collection) is None:
                    raise CollectionNotFound(f"There is no collection {collection}.")
                async for part in self._documents(project, collection, after):
                    yield part
                return
            first, _, id = after.partition("/")
            if after:
                check_collection(first, "after")
                check_id(id, "after")
            order = referenced_first(await self.transfer_engine.collections(project))
            if after and first not in order:
                raise CollectionNotFound(f"There is no collection {first}. Begin the export again.")
            for name in order[order.index(first) if after else 0 :]:
                async for part in self._documents(project, name, id if name == first else "", name):
                    yield part

    async def import_documents(
        self,
        caller: Caller,
        collection: str | None,
        mode: ImportMode,
        lines: tuple[ImportLine, ...],
        dry_run: bool = False,
    ) -> Imported:
        with counted("import"):
            server = _as_server(caller, Act.DOCUMENT_IMPORT, collection)
            if collection is not None:
                check_collection(collection, "collection")
            if len(lines) > MAX_LINES:
                raise InvalidInput.at("/lines", f"One call can import at most {MAX_LINES} lines.")
            counts = {"imported": 0, "skipped": 0, "failed": 0}
            errors: list[RefusedLine] = []
            unresolved: list[int] = []
            seq = ""
            for group in _groups(await asyncio.to_thread(_read, lines, collection, mode)):
                done = self._try_group(server, mode, group) if dry_run else self._import_group(server, mode, group)
                for line, outcome in await done:
                    counts[_kind(outcome)] += 1
                    seq = later(seq, outcome) if isinstance(outcome, str) else seq
                    if isinstance(outcome, Problem):
                        errors.append(RefusedLine(line, outcome.code, outcome.detail))
                    if isinstance(outcome, Problem) and _lacks_only_references(outcome):
                        unresolved.append(line)
            last = lines[-1].number if lines else 0
            return Imported(**counts, last_line=last, errors=tuple(errors), unresolved=tuple(unresolved), seq=seq)

    async def _documents(self, project: str, collection: str, after: str, named: str = "") -> AsyncIterator[ExportPart]:
        """Yield the documents of one collection. `named`: the name of the collection if each line must have it."""
        head, tail = (f'{{"collection":"{named}","document":'.encode(), b"}\n") if named else (b"", b"\n")
        more = True
        while more:
            chunk = await self.transfer_engine.page(project, collection, after, PAGE)
            lines: list[bytes] = []
            size = 0
            for stored in chunk.items:
                lines.append(head + with_system_fields(stored) + tail)
                size += len(lines[-1])
                if size >= PART_BYTES:
                    yield ExportPart(b"".join(lines))
                    lines, size = [], 0
            if lines:
                yield ExportPart(b"".join(lines))
            more = chunk.more
            if chunk.items:
                after = chunk.items[-1].id

    async def _import_group(self, server: Caller, mode: ImportMode, group: list[ReadLine]) -> list[tuple[int, Outcome]]:
        """Write all documents of the group at once, so that they share fsyncs. Raises: the errors in ENDS."""
        if await self._asks(server.project, {sent.collection for sent in group}):
            done = await self._write_asking(server, mode, group)
        else:
            done = list(await asyncio.gather(*(self._write(server, mode, sent) for sent in group)))
        return [(sent.line, outcome) for sent, outcome in zip(group, done, strict=True)]

    async def _write_asking(self, server: Caller, mode: ImportMode, group: list[ReadLine]) -> list[Outcome]:
        """Write documents about which a function decides, in commits, because the function is called once for each
        commit.

        Few commits run at the same time, since the app may write meanwhile.
        """
        done: dict[int, Outcome] = {sent.line: sent.problem for sent in group}
        sound = [sent for sent in group if sent.problem is None]
        parts = [sound[start : start + ASKED_TOGETHER] for start in range(0, len(sound), ASKED_TOGETHER)]
        for start in range(0, len(parts), ASKED_AT_ONCE):
            some = parts[start : start + ASKED_AT_ONCE]
            for part, outcomes in zip(
                some, await asyncio.gather(*(self._write_together(server, mode, part) for part in some)), strict=True
            ):
                done |= {sent.line: outcome for sent, outcome in zip(part, outcomes, strict=True)}
        return [done[sent.line] for sent in group]

    async def _write_together(self, server: Caller, mode: ImportMode, part: list[ReadLine]) -> list[Outcome]:
        """Write documents in one commit.

        If the commit is refused, write the document that the error names on its own, and continue.

        So a refused document gets the same error as in a separate commit, and all other documents are imported.
        """
        done: list[Outcome] = []
        while len(part) > 1:
            try:
                seq = await self.documents.stored_writes.commit_stored(
                    server, tuple([CommitStep(sent.collection, _document(mode, sent)) for sent in part])
                )
                return [*done, *[seq] * len(part)]
            except Problem as problem:
                if isinstance(problem, ENDS) and not isinstance(problem, BundocBusy | BeforeWriteBusy):
                    raise
                at = int(problem.extra.get("write", len(part) // 2))
            done += await self._write_together(server, mode, part[:at])
            done.append(await self._write(server, mode, part[at]))
            part = part[at + 1 :]
        return [*done, *[await self._write(server, mode, sent) for sent in part]]

    async def _try_group(self, server: Caller, mode: ImportMode, group: list[ReadLine]) -> list[tuple[int, Outcome]]:
        found = await try_lines(self.transfer_engine, server.project, mode, group, makes=self.documents.rights.dev)
        return [(sent.line, outcome) for sent, outcome in zip(group, found, strict=True)]

    async def _asks(self, project: str, collections: set[str]) -> bool:
        found = [await self.transfer_engine.terms(project, name) for name in collections]
        return any(terms is not None and terms.definition.before_write is not None for terms in found)

    async def _write(self, server: Caller, mode: ImportMode, sent: ReadLine) -> Outcome:
        if sent.problem is not None:
            return sent.problem
        for tried in range(BUSY_TRIES + 1):
            try:
                return await self.documents.stored_writes.write_stored(server, sent.collection, _document(mode, sent))
            except DocumentExists as exists:
                return None if mode is ImportMode.SKIP else exists
            except (BundocBusy, BeforeWriteBusy):
                if tried == BUSY_TRIES:
                    raise
                await asyncio.sleep(BUSY_SECONDS * 2**tried)
            except ENDS:
                raise
            except Problem as problem:
                return problem
        raise AssertionError("the last try returns or raises")


def _document(mode: ImportMode, sent: ReadLine) -> Create | Put:
    if mode is ImportMode.REPLACE and sent.id is not None:
        return Put(sent.id, sent.body, NO_PRECONDITION, sent.created)
    return Create(sent.id or new_id(), sent.body, sent.created)


def _as_server(caller: Caller, act: Act, collection: str | None) -> Caller:
    """Return a caller with the rights of the secret key, and with the scopes of `caller`.

    `caller` must have the secret key or the role developer. Raises: RuleDenied, Forbidden, InsufficientScope.
    """
    if caller.kind not in (CallerKind.SECRET, CallerKind.DEVELOPER):
        raise RuleDenied("Exports and imports need the project's secret key, or the role developer.")
    caller.check(act, collection or "")
    return msgspec.structs.replace(caller, kind=CallerKind.SECRET)


def later(one: str, other: str) -> str:
    """Return the later of two states. The text "" is the earliest state.

    If the epochs differ, return `other`, because it was read later.
    """
    (epoch, _, number), (other_epoch, _, other_number) = one.partition("."), other.partition(".")
    return one if epoch == other_epoch and int(number or 0) > int(other_number or 0) else other


def _kind(outcome: Outcome) -> str:
    if outcome is None:
        return "skipped"
    return "failed" if isinstance(outcome, Problem) else "imported"


def _lacks_only_references(problem: Problem) -> bool:
    errors = problem.extra.get("errors", ()) if isinstance(problem, InvalidDocument) else ()
    return bool(errors) and all(error.get("keyword") == REF for error in errors)


def _read(lines: tuple[ImportLine, ...], collection: str | None, mode: ImportMode) -> list[ReadLine]:
    """Read a whole batch, in a thread.

    When the whole batch was read, all writes of the batch can start in one turn of the event loop.
    """
    return [read_line(line, collection, at_address=mode is ImportMode.REPLACE) for line in lines]


def _groups(lines: list[ReadLine]) -> list[list[ReadLine]]:
    """Split a batch into groups that are written at once. A group has each document only once, and is not too large."""
    groups: list[list[ReadLine]] = [[]]
    known: set[Any] = set()
    size = 0
    for one in lines:
        name = (one.collection, one.id)
        if (one.id is not None and name in known) or (groups[-1] and size + len(one.body) > MAX_IN_FLIGHT_BYTES):
            groups.append([])
            known, size = set(), 0
        groups[-1].append(one)
        known.add(name)
        size += len(one.body)
    return groups
