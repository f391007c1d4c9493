"""Read and change the definitions of collections, and test rules before they are saved."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import UNSET

from bunbase.bundoc.before_writes import BeforeWrites
from bunbase.bundoc.counted import counted
from bunbase.bundoc.definition import Terms, altered, check_spec, check_terms
from bunbase.bundoc.documents import StoredDocument, check_collection
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.permissions.callers import allow
from bunbase.bundoc.permissions.list_warnings import warnings_for
from bunbase.bundoc.permissions.rule_tests import Batch, Trial, only_decision, read_batch
from bunbase.bundoc.query.index_specs import named_indexes
from bunbase.bundoc.reading.misfits import misfits_of
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.schema.validating import DocumentSchema
from bunbase.bundoc.service.parsing import parsed
from bunbase.bundoc.service.reads import check_limit
from bunbase.bundoc.service.rights import CallerRights, no_collection
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, MisfitQuery, Misfits
from bunbase.contracts.bundoc.documents import Page
from bunbase.contracts.caller import Act, Caller
from bunbase.pkg.errors import InvalidInput


class Definitions:
    """The methods of Bundoc's contract about collections and rules. `read_seconds`: the time that a query may take."""

    def __init__(self, engine: Engine, rights: CallerRights, before_writes: BeforeWrites, read_seconds: float) -> None:
        self.engine = engine
        self.rights = rights
        self.before_writes = before_writes
        self.read_seconds = read_seconds

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
            spec = await asyncio.to_thread(_checked, spec)  # Compiling rules, filters and patterns may take a second.
            await self.engine.alter(caller.project, name, spec, wait)
            made = await self._collection(caller, name)
            rules = (await self.rights.terms(caller, name)).rules
            slow = await asyncio.to_thread(warnings_for, [(name, rules)], [made], self.read_seconds)
            return msgspec.structs.replace(made, warnings=(*slow, *await self.before_writes.warnings(caller, made)))

    async def misfits(self, caller: Caller, name: str, query: MisfitQuery) -> Misfits:
        with counted("misfits"):
            allow(caller, Act.COLLECTION_CHECK)
            check_collection(name)
            check_limit(query.limit)
            terms = await self.engine.terms(caller.project, name)
            if terms is None:
                raise no_collection(name)
            tried = Terms(altered(terms.definition, CollectionSpec(schema=query.schema, strict=query.strict)))
            await asyncio.to_thread(check_terms, tried)
            schema = tried.schema or DocumentSchema({}, strict=False)
            return await misfits_of(self.engine, caller.project, name, schema, query.limit, query.cursor)

    async def drop_collection(self, caller: Caller, name: str) -> None:
        with counted("drop_collection"):
            allow(caller, Act.COLLECTION_DELETE)
            check_collection(name)
            if not await self.engine.drop_collection(caller.project, name):
                raise no_collection(name)

    async def test_rules(self, caller: Caller, body: bytes) -> Page:
        with counted("test_rules"):
            allow(caller, Act.RULE_TEST)
            batch, several = await parsed(body, read_batch)
            rules = await self._tried(caller, batch)
            trial = Trial(batch, rules, self.rights.clock.now())
            loop = asyncio.get_running_loop()

            def lookup(collection: str, id: str) -> StoredDocument | None:
                found = self.engine.get(caller.project, collection, id)
                return asyncio.run_coroutine_threadsafe(found, loop).result()

            decisions = await asyncio.to_thread(
                trial.run, lookup
            )  # This may take a second, so it runs in a thread, and other requests need not wait.
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
                raise no_collection(name)
            await asyncio.to_thread(terms.prepare)
            found[name] = terms.rules
        return found

    async def _collection(self, caller: Caller, name: str) -> Collection:
        found = await self.engine.collection(caller.project, name)
        if found is None:
            raise no_collection(name)
        return found

    def _check_max_scan(self, spec: CollectionSpec) -> None:
        """Check `max_scan`. Raises: InvalidInput if the collection would allow more than a server may examine."""
        most = self.rights.unbound.documents
        if isinstance(spec.max_scan, int) and spec.max_scan > most:
            raise InvalidInput.at("/max_scan", f"max_scan can be at most {most}, which is bundoc.server_scan.")


def _checked(spec: CollectionSpec) -> CollectionSpec:
    """Check a specification and name its indexes. Raises: InvalidRule, InvalidSchema, InvalidInput."""
    check_spec(spec)
    if spec.indexes is UNSET:
        return spec
    return msgspec.structs.replace(spec, indexes=named_indexes(spec.indexes))
