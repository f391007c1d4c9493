"""The operations on documents and collections. Each checks the caller and the input, then calls the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec
from msgspec import UNSET

from bunbase.bundoc import documents
from bunbase.bundoc.before_writes import BeforeWrites, CommitAgain
from bunbase.bundoc.commits import patch_of, steps_of
from bunbase.bundoc.counted import counted
from bunbase.bundoc.definition import ABSENT, Terms, altered, check_spec, check_terms
from bunbase.bundoc.documents import (
    STATE,
    Lookup,
    StoredDocument,
    check_collection,
    check_id,
    document,
    with_system_fields,
)
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.permissions.access import (
    CALL_STEPS,
    FOR_SERVERS,
    SCAN_STEPS,
    Access,
    Budget,
    LoopBudget,
    bare,
    check_access,
)
from bunbase.bundoc.permissions.callers import allow, as_user, check_steps, discreet, guard_of
from bunbase.bundoc.permissions.list_warnings import warnings_for
from bunbase.bundoc.permissions.reading import answered, missing, read_document
from bunbase.bundoc.permissions.rule_tests import Batch, Trial, only_decision, read_batch
from bunbase.bundoc.query.budgets import BOUND, UNBOUND, Budgets
from bunbase.bundoc.query.index_specs import named_indexes
from bunbase.bundoc.questions import Unanswered
from bunbase.bundoc.reading.expanding import Visible, as_stored, expanded, expansions, with_expanded
from bunbase.bundoc.reading.first_queries import FirstQueries
from bunbase.bundoc.reading.misfits import misfits_of
from bunbase.bundoc.reading.querying import aggregated_page, queried
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.schema.validating import DocumentSchema
from bunbase.bundoc.writes import Check, CommitStep, Committed, Create, Delete, Put, Write
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, MisfitQuery, Misfits
from bunbase.contracts.bundoc.documents import (
    NO_PRECONDITION,
    Aggregation,
    Changes,
    Commit,
    CommitResult,
    Document,
    DoneCommit,
    KeyState,
    Page,
    Precondition,
    Query,
    Written,
)
from bunbase.contracts.bundoc.problems import (
    CollectionNotFound,
    NotYet,
    RuleDenied,
)
from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.idempotency import check_visitor_key, scope_of
from bunbase.contracts.scopes import SOME_COLLECTION
from bunbase.pkg.clock import Clock, SystemClock
from bunbase.pkg.context import seconds_left
from bunbase.pkg.cursors import MAX_LIMIT, decode_cursor, encode_cursor
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.idempotency import Attempt, attempt
from bunbase.pkg.ids import new_id
from bunbase.pkg.modules import Rooms
from bunbase.pkg.rules.inputs import Postponed

T = TypeVar("T")

HINT = "To see the reason, send the header X-Bunbase-Explain: true (in dev mode only)."
MAX_WAIT_SECONDS = 30.0
AT_LEAST_SECONDS = 2.0  # how long a read waits for the state that the caller asks for
ANSWER_SECONDS = 2.0  # the part of a call's deadline that is reserved for sending the answer
LARGE_BYTES = (
    16 << 10
)  # checking many small objects takes 65 µs per KiB; more than 1 ms would delay every other request


class BundocService:
    """The operations on documents and collections.

    `dev`: true if the first document creates its collection; otherwise, a collection must be created explicitly.
    `bound`: the budgets of queries of callers bound by rules. `unbound`: the budgets of all other queries.
    `read_seconds`: the time that a query may take.
    """

    def __init__(
        self,
        engine: Engine,
        dev: bool = True,
        bound: Budgets = BOUND,
        unbound: Budgets = UNBOUND,
        clock: Clock | None = None,
        read_seconds: float = 5.0,
        before_writes: BeforeWrites | None = None,
    ) -> None:
        self.engine = engine
        self.clock = clock or SystemClock()
        self.dev = dev
        self.bound = bound
        self.unbound = unbound
        self.read_seconds = read_seconds
        self.first_queries = FirstQueries(engine, read_seconds)
        self.before_writes = before_writes or BeforeWrites(Rooms().later(Functions))

    async def get(
        self, caller: Caller, collection: str, id: str, expand: tuple[str, ...] = (), at_least: str = ""
    ) -> Document:
        with counted("get"):
            bound = check_access(caller, Act.DOCUMENT_READ, collection)
            check_collection(collection)
            check_id(id)
            if at_least:
                await self._reach(caller.project, at_least)
            if bound:
                stored = await self._decided(
                    caller, collection, lambda access, lookup: read_document(access, id, lookup)
                )
            elif (found := await self.engine.get(caller.project, collection, id)) is not None:
                stored = found
            else:
                raise missing(collection, id)
            return document(stored) if not expand else await self._with_expanded(caller, collection, stored, expand)

    async def create(self, caller: Caller, collection: str, body: bytes, idempotency_key: str = "") -> Document:
        with counted("create"):
            check_access(caller, Act.DOCUMENT_WRITE, collection)
            check_collection(collection)
            await self._check_created(caller, collection)
            once = await _attempt(caller, idempotency_key, "create", collection, body) if idempotency_key else None
            claimed, stored_body = await _parsed(body, documents.new_document)
            return await self._written(caller, collection, Create(claimed or new_id(), stored_body), once)

    async def create_stored(self, caller: Caller, collection: str, id: str, stored_body: bytes) -> str:
        """Create a document whose body is already in the stored form. Return the `seq` of the write."""
        with counted("create"):
            check_access(caller, Act.DOCUMENT_WRITE, collection)
            await self._check_created(caller, collection)
            return _seq(await self._written(caller, collection, Create(id, stored_body)))

    async def put_stored(self, caller: Caller, collection: str, id: str, stored_body: bytes, when: Precondition) -> str:
        """Put a document whose body is already in the stored form. Return the `seq` of the write."""
        with counted("put"):
            check_access(caller, Act.DOCUMENT_WRITE, collection)
            await self._check_created(caller, collection)
            return _seq(await self._written(caller, collection, Put(id, stored_body, when)))

    async def commit_stored(self, caller: Caller, steps: tuple[CommitStep, ...]) -> str:
        """Do the writes of a server, whose bodies are already in the stored form. Return the `seq` of the commit."""
        with counted("commit"):
            for collection in {step.collection for step in steps}:
                check_access(caller, Act.DOCUMENT_WRITE, collection)
                await self._check_created(caller, collection)
            return _receipt(await self._committed(caller, steps, None)).seq

    async def put(
        self, caller: Caller, collection: str, id: str, body: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Document:
        with counted("put"):
            check_access(caller, Act.DOCUMENT_WRITE, collection)
            check_collection(collection)
            check_id(id)
            await self._check_created(caller, collection)
            once = (
                await _attempt(caller, idempotency_key, "put", collection, body, id, when) if idempotency_key else None
            )
            stored_body = await _parsed(body, lambda sent: documents.document_at(id, sent))
            return await self._written(caller, collection, Put(id, stored_body, when), once)

    async def patch(
        self, caller: Caller, collection: str, id: str, patch: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Document:
        with counted("patch"):
            check_access(caller, Act.DOCUMENT_WRITE, collection)
            check_collection(collection)
            check_id(id)
            once = (
                await _attempt(caller, idempotency_key, "patch", collection, patch, id, when)
                if idempotency_key
                else None
            )
            write = await _parsed_update(patch, lambda sent: patch_of(id, sent, when))
            return await self._written(caller, collection, write, once)

    async def delete(
        self, caller: Caller, collection: str, id: str, when: Precondition, idempotency_key: str = ""
    ) -> Written:
        with counted("delete"):
            guard = guard_of(caller, collection)
            check_collection(collection)
            check_id(id)
            once = (
                await _attempt(caller, idempotency_key, "delete", collection, b"", id, when)
                if idempotency_key
                else None
            )
            return _receipt(await self._applied(caller, CommitStep(collection, Delete(id, when), guard), once))

    async def commit(self, caller: Caller, body: bytes, idempotency_key: str = "") -> DoneCommit:
        with counted("commit"):
            guard = guard_of(caller, SOME_COLLECTION)
            once = await _attempt(caller, idempotency_key, "commit", "", body) if idempotency_key else None
            steps = await _parsed_update(body, steps_of)
            if guard is not None:
                steps = tuple([msgspec.structs.replace(step, guard=guard) for step in steps])
            if caller.limits is not None:
                check_steps(caller, steps)
            with discreet(caller, guard is not None), self._hinting(caller):
                done = await self._committed(caller, steps, once)
            pairs = zip(steps, done.results, strict=True)
            results = tuple([_commit_result(step.write, kept) for step, kept in pairs])
            return DoneCommit(Commit(done.seq, results), _receipt(done))

    async def changes(self, caller: Caller, since: int, limit: int, wait_seconds: float) -> Changes:
        with counted("changes"):
            if check_access(caller, Act.CHANGE_READ, ""):
                raise RuleDenied(FOR_SERVERS)
            _check_changes(since, wait_seconds)
            _check_limit(limit)
            seconds = min(wait_seconds, max(0.0, seconds_left(MAX_WAIT_SECONDS + ANSWER_SECONDS) - ANSWER_SECONDS))
            return await self.engine.changes(caller.project, since, limit, seconds)

    async def list(self, caller: Caller, collection: str, limit: int, cursor: str | None, at_least: str = "") -> Page:
        with counted("list"):
            bound = check_access(caller, Act.DOCUMENT_READ, collection)
            check_collection(collection)
            _check_limit(limit)
            if at_least:
                await self._reach(caller.project, at_least)
            await self._check_created(caller, collection)
            if bound:
                return await self._queried(caller, collection, Query(limit=limit, cursor=cursor))
            query = f"list {collection} by _id"
            after = decode_cursor(query, cursor, str) if cursor is not None else ""
            chunk = await self.engine.page(caller.project, collection, after, limit)
            next = encode_cursor(query, chunk.items[-1].id) if chunk.more else None
            items = b",".join([with_system_fields(stored) for stored in chunk.items])
            return Page(b'{"items":[' + items + b'],"next":' + msgspec.json.encode(next) + b"}")

    async def query(self, caller: Caller, collection: str, query: Query, at_least: str = "") -> Page:
        with counted("query"):
            check_access(caller, Act.DOCUMENT_READ, collection)
            check_collection(collection)
            _check_limit(query.limit)
            if at_least:
                await self._reach(caller.project, at_least)
            await self._check_created(caller, collection)
            return await self._queried(as_user(caller, query), collection, query)

    async def aggregate(self, caller: Caller, collection: str, aggregation: Aggregation, at_least: str = "") -> Page:
        with counted("aggregate"):
            check_access(caller, Act.DOCUMENT_READ, collection)  # the scopes belong to the caller itself
            asker = as_user(caller, aggregation)
            if at_least:
                await self._reach(caller.project, at_least)
            check_collection(collection)
            access, budgets = await self._limits(asker, collection)
            await self._check_created(caller, collection)
            with self._hinting(asker):
                return await aggregated_page(self.engine, caller.project, collection, aggregation, budgets, access)

    async def collections(self, caller: Caller) -> tuple[Collection, ...]:
        with counted("collections"):
            allow(caller, Act.COLLECTION_READ)
            return await self.engine.collections(caller.project)

    async def collection(self, caller: Caller, name: str) -> Collection:
        with counted("collection"):
            allow(caller, Act.COLLECTION_READ, name)
            check_collection(name)
            return await self._collection(caller, name)

    async def put_collection(self, caller: Caller, name: str, spec: CollectionSpec, wait: bool = True) -> Collection:
        with counted("put_collection"):
            allow(caller, Act.COLLECTION_UPDATE)
            check_collection(name)
            self._check_max_scan(spec)
            spec = await asyncio.to_thread(_checked, spec)  # compiling rules, filters and patterns may take a second
            await self.engine.alter(caller.project, name, spec, wait)
            made = await self._collection(caller, name)
            rules = (await self._terms(caller, name)).rules
            slow = await asyncio.to_thread(warnings_for, [(name, rules)], [made], self.read_seconds)
            return msgspec.structs.replace(made, warnings=(*slow, *await self.before_writes.warnings(caller, made)))

    async def misfits(self, caller: Caller, name: str, query: MisfitQuery) -> Misfits:
        with counted("misfits"):
            allow(caller, Act.COLLECTION_CHECK)
            check_collection(name)
            _check_limit(query.limit)
            terms = await self.engine.terms(caller.project, name)
            if terms is None:
                raise _no_collection(name)
            tried = Terms(altered(terms.definition, CollectionSpec(schema=query.schema, strict=query.strict)))
            await asyncio.to_thread(check_terms, tried)
            schema = tried.schema or DocumentSchema({}, strict=False)
            return await misfits_of(self.engine, caller.project, name, schema, query.limit, query.cursor)

    async def drop_collection(self, caller: Caller, name: str) -> None:
        with counted("drop_collection"):
            allow(caller, Act.COLLECTION_DELETE)
            check_collection(name)
            if not await self.engine.drop_collection(caller.project, name):
                raise _no_collection(name)

    async def data_key(self, caller: Caller) -> KeyState:
        with counted("data_key"):
            caller.check(Act.DATA_KEY_READ)
            return await self.engine.data_key(caller.project)

    async def rotate_data_key(self, caller: Caller) -> KeyState:
        with counted("rotate_data_key"):
            caller.check(Act.DATA_KEY_ROTATE)
            return await self.engine.rotate_data_key(caller.project)

    async def test_rules(self, caller: Caller, body: bytes) -> Page:
        with counted("test_rules"):
            allow(caller, Act.RULE_TEST)
            batch, several = await _parsed(body, read_batch)
            rules = await self._tried(caller, batch)
            trial = Trial(batch, rules, self.clock.now())
            loop = asyncio.get_running_loop()

            def lookup(collection: str, id: str) -> StoredDocument | None:
                found = self.engine.get(caller.project, collection, id)
                return asyncio.run_coroutine_threadsafe(found, loop).result()

            decisions = await asyncio.to_thread(
                trial.run, lookup
            )  # may take a second; a thread, so that other requests do not wait
            stored = await self.engine.collections(caller.project)
            warnings = await asyncio.to_thread(warnings_for, rules.items(), stored, self.read_seconds)
            if several:
                answer = {"items": decisions, "coverage": trial.covered(), "warnings": warnings}
                return Page(msgspec.json.encode(answer))
            return Page(msgspec.json.encode(only_decision(decisions[0], warnings)))

    async def _tried(self, caller: Caller, batch: Batch) -> dict[str, RuleSet]:
        """Return the rules that a batch tests. Raises: InvalidRule, CollectionNotFound."""
        if batch.rules is not None:
            sent = batch.rules
            return await asyncio.to_thread(lambda: {name: RuleSet(rules, new=True) for name, rules in sent.items()})
        found = {}
        for name in {case.collection for case in batch.cases}:
            terms = await self.engine.terms(caller.project, name)
            if terms is None:
                raise _no_collection(name)
            await asyncio.to_thread(terms.prepare)
            found[name] = terms.rules
        return found

    async def drop_project(self, project: str) -> None:
        with counted("drop_project"):
            await self.engine.drop(project)

    async def tend(self) -> None:
        await self.engine.tend()

    async def _decided(self, caller: Caller, collection: str, work: Callable[[Access, Lookup], T]) -> T:
        """Run `work`, which evaluates rules for one document, in the event loop.

        If `work` is slow, repeat it in a thread.

        `work` only reads, so it may run twice. If the caller wants an explanation, `work` always runs in a thread,
        since a trace evaluates every part of a rule.
        """
        terms = await self.engine.terms(caller.project, collection) or ABSENT
        if not terms.quick:
            await asyncio.to_thread(terms.prepare)
        now = self.clock.now()
        if not caller.explain:
            quick = Access(caller, collection, terms.rules, now, LoopBudget())
            try:
                return await self.engine.read(caller.project, lambda lookup: work(quick, lookup))
            except Postponed:
                pass
        access = Access(caller, collection, terms.rules, now, Budget(CALL_STEPS))
        return await self.engine.snapshot(caller.project, lambda lookup: work(access, lookup))

    async def _limits(self, caller: Caller, collection: str) -> tuple[Access | None, Budgets]:
        """Return the access of a caller bound by rules, None for any other caller, and the budgets of a query."""
        if not check_access(caller, Act.DOCUMENT_READ, collection):
            return None, self.unbound
        terms = await self._terms(caller, collection)
        access = Access(caller, collection, terms.rules, self.clock.now(), Budget(SCAN_STEPS))
        return access, self.bound.of_collection(terms.definition.max_scan, self.unbound.documents)

    async def _terms(self, caller: Caller, collection: str) -> Terms:
        """Return the terms of a collection, with its rules compiled."""
        terms = await self.engine.terms(caller.project, collection) or ABSENT
        if not terms.quick:
            await asyncio.to_thread(terms.prepare)
        return terms

    async def _queried(self, caller: Caller, collection: str, query: Query) -> Page:
        access, budgets = await self._limits(caller, collection)
        if access is not None and self.dev:
            await self.first_queries.note(caller.project, collection, access.rules)
        visible = self._visible_to(caller)
        with self._hinting(caller):
            return await queried(self.engine, caller.project, collection, query, budgets, access, visible)

    async def _with_expanded(
        self, caller: Caller, collection: str, stored: StoredDocument, paths: tuple[str, ...]
    ) -> Document:
        wanted = await expansions(self.engine, caller.project, collection, paths)
        whole = with_system_fields(stored)
        (beside,) = await expanded(self.engine, caller.project, [whole], wanted, self._visible_to(caller))
        return Document(stored.id, stored.rev, with_expanded(whole, beside))

    def _visible_to(self, caller: Caller) -> Visible:
        """Return a function that applies the rules of its collection to an expanded document, for this caller."""
        if not check_access(caller, Act.DOCUMENT_READ, SOME_COLLECTION):
            return as_stored if caller.limits is None else _visible_in_scope(caller)
        now, budget = self.clock.now(), Budget(SCAN_STEPS)

        def visible(collection: str, terms: Terms, stored: StoredDocument, lookup: Lookup) -> bytes | None:
            access = Access(caller, collection, terms.rules, now, budget)
            scoped = caller.has_scope(Act.DOCUMENT_READ, collection)
            allowed = scoped and access.may("get", stored.id, lookup, stored)
            return with_system_fields(access.shown("get", lookup, stored)) if allowed else None

        return visible

    async def _reach(self, project: str, at_least: str) -> None:
        """Wait until reads see the state that the caller asks for. Raises: NotYet, InvalidInput."""
        asked = STATE.fullmatch(at_least)
        if asked is None:
            message = "Send the value of X-Bunbase-Seq of an earlier answer, unchanged."
            raise InvalidInput.at("X-Bunbase-At-Least", message)
        epoch, seq = asked[1], int(asked[2])
        now = await self.engine.reached(project, epoch, seq, AT_LEAST_SECONDS)
        there, _, last = now.partition(".")
        if there != epoch:
            raise NotYet(
                "This state is from before a backup of the project was restored, and will not come back. Send the "
                "request without X-Bunbase-At-Least.",
                seq=now,
            )
        if int(last) < seq:
            raise NotYet("The change that you ask for has not arrived here. Try again.", seq=now, retry_after_seconds=1)

    async def _written(self, caller: Caller, collection: str, write: Write, once: Attempt | None = None) -> Document:
        """Write a document. Return the document as the caller may see it. `once`: the `attempt` of `Engine.commit`."""
        guard = guard_of(caller, collection)
        done = await self._applied(caller, CommitStep(collection, write, guard), once)
        (written,), (created,) = done.results, done.created
        assert written is not None  # only Delete has no result
        if not caller.has_scope(Act.DOCUMENT_READ, collection):
            written = bare(written)
        elif guard is not None:
            written = await self._answered(caller, collection, written)
        return document(written, created, _receipt(done))

    async def _applied(self, caller: Caller, step: CommitStep, once: Attempt | None) -> Committed:
        with discreet(caller, step.guard is not None), self._hinting(caller):
            try:
                try:
                    return await self.engine.commit(caller.project, (step,), caller.depth, once)
                except Unanswered as asked:
                    return await self.before_writes.committed(caller, (step,), asked, self._commit_of(caller, once))
            except Problem as problem:
                problem.extra.pop("write", None)  # the index of the write; there is only one
                raise

    async def _committed(self, caller: Caller, steps: tuple[CommitStep, ...], once: Attempt | None) -> Committed:
        """Do a commit whose answer has no bodies, after its functions have been asked."""
        commit = self._commit_of(caller, once, with_bodies=False)
        try:
            return await commit(steps)
        except Unanswered as asked:
            return await self.before_writes.committed(caller, steps, asked, commit)

    def _commit_of(self, caller: Caller, once: Attempt | None, with_bodies: bool = True) -> CommitAgain:
        return lambda steps: self.engine.commit(caller.project, steps, caller.depth, once, with_bodies)

    async def _answered(self, caller: Caller, collection: str, written: StoredDocument) -> StoredDocument:
        """Return the stored document as the caller may see it, or only the system fields if the rules take too long.

        The write is already done. An error here would look like a failed write, and a caller that repeats the write
        would create the document twice.
        """
        try:
            return await self._decided(caller, collection, lambda access, lookup: answered(access, written, lookup))
        except Problem:
            return bare(written)

    def _check_max_scan(self, spec: CollectionSpec) -> None:
        """Raises: InvalidInput if the collection allows more than a server may examine."""
        most = self.unbound.documents
        if isinstance(spec.max_scan, int) and spec.max_scan > most:
            raise InvalidInput.at("/max_scan", f"max_scan can be at most {most}, which is bundoc.server_scan.")

    async def _collection(self, caller: Caller, name: str) -> Collection:
        found = await self.engine.collection(caller.project, name)
        if found is None:
            raise _no_collection(name)
        return found

    @contextmanager
    def _hinting(self, caller: Caller) -> Iterator[None]:
        """In dev mode, add to a denial by rules an explanation of how to see its reason."""
        try:
            yield
        except RuleDenied as denied:
            if self.dev and caller.kind is CallerKind.PUBLISHABLE and not caller.explain:
                raise RuleDenied(f"{denied.detail} {HINT}", **denied.extra) from None
            raise

    async def _check_created(self, caller: Caller, collection: str) -> None:
        """Check that the collection exists. Raises: CollectionNotFound.

        Callers bound by rules need no check, since rules deny them everything in a missing collection.
        """
        if (
            not self.dev
            and caller.kind in (CallerKind.SECRET, CallerKind.DEVELOPER)
            and await self.engine.terms(caller.project, collection) is None
        ):
            raise _no_collection(collection)


def _checked(spec: CollectionSpec) -> CollectionSpec:
    """Check a specification and name its indexes. Raises: InvalidRule, InvalidSchema, InvalidInput."""
    check_spec(spec)
    if spec.indexes is UNSET:
        return spec
    return msgspec.structs.replace(spec, indexes=named_indexes(spec.indexes))


def _visible_in_scope(caller: Caller) -> Visible:
    """Return a function that hides expanded documents of collections that the scopes of the key do not include."""

    def visible(collection: str, terms: Terms, stored: StoredDocument, lookup: Lookup) -> bytes | None:
        return as_stored(collection, terms, stored, lookup) if caller.has_scope(Act.DOCUMENT_READ, collection) else None

    return visible


async def _attempt(
    caller: Caller,
    key: str,
    verb: str,
    collection: str,
    body: bytes,
    id: str = "",
    when: Precondition = NO_PRECONDITION,
) -> Attempt:
    """Return the attempt of a write that has an idempotency key. Raises: InvalidInput."""
    check_visitor_key(caller, key)
    condition = f"{when.rev},{when.absent}"
    return await attempt(("documents", *scope_of(caller)), key, verb, collection, id, condition, body)


def _seq(document: Document) -> str:
    assert document.written is not None  # only a document that was read has no `seq`
    return document.written.seq


def _receipt(done: Committed) -> Written:
    return Written(f"{done.epoch}.{done.seq}", done.replayed)


def _commit_result(write: Write, kept: StoredDocument | None) -> CommitResult:
    """Return the id and the revision for the answer.

    For a Check, this is the revision that the caller sent, since the stored revision may be hidden from the caller.
    The kept result has the id of a document that an earlier attempt created.
    """
    if isinstance(write, Check):
        return CommitResult(write.id, write.when.rev or 0)
    return CommitResult(kept.id, kept.rev) if kept else CommitResult(write.id, 0)


def _no_collection(name: str) -> CollectionNotFound:
    return CollectionNotFound(f"There is no collection {name}: create it with PUT /v1/collections/{name}.")


async def _parsed(sent: bytes, parse: Callable[[bytes], T]) -> T:
    return parse(sent) if len(sent) < LARGE_BYTES else await asyncio.to_thread(parse, sent)


async def _parsed_update(sent: bytes, parse: Callable[[bytes], T]) -> T:
    """Parse a body that may contain conditions. A short commit may have patterns that take a second to compile."""
    if b"regex" in sent or b"\\u" in sent:  # any letter of a name may be written as \u0072
        return await asyncio.to_thread(parse, sent)
    return await _parsed(sent, parse)


def _check_changes(since: int, wait_seconds: float) -> None:
    if not 0 <= since < 1 << 63:
        message = "since must be the seq of the last change that you have read, or 0."
        raise InvalidInput.at("since", message)
    if not 0 <= wait_seconds <= MAX_WAIT_SECONDS:
        raise InvalidInput.at("wait_seconds", f"wait_seconds must be from 0 to {MAX_WAIT_SECONDS:g}.")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput.at("/limit", f"limit must be from 1 to {MAX_LIMIT}.")
