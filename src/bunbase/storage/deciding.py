"""Decides what a caller may do with the objects of a bucket.

A rule may look up documents, which another room keeps. If it needs a document that is not known yet, the evaluation
stops, the document is read, and the rule is evaluated again. A rule looks up at most ten documents, so this ends.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import msgspec

from bunbase.contracts import ruled_access
from bunbase.contracts.bundoc.problems import CollectionNotFound, DocumentNotFound, RuleDenied
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.rule_variables import auth_of
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.rules.inputs import MAX_STEPS, Inputs, Postponed, json_value
from bunbase.storage.rules import ObjectRule, OpenBucket, Operation, object_values
from bunbase.storage.store.objects import ObjectRow

DENIED: Final = "The rules of this bucket do not allow this."
LOOP_STEPS: Final = 20_000  # the limit of steps in the event loop (2 ms); a thread does more work
PAGE_STEPS: Final = 1_000_000  # the limit of steps for all objects of one page of a list, 0.1 s to 0.3 s

Address = tuple[str, str]
Values = dict[str, Any]
Documents = dict[Address, dict[str, Any] | None]


class Question(msgspec.Struct, frozen=True):
    """A rule to evaluate. `object`, `next`: the stored and the proposed object."""

    bucket: OpenBucket
    operation: Operation
    object: Values | None = None
    next: Values | None = None


class Deciding:
    def __init__(self, bundoc: Bundoc, clock: Clock) -> None:
        self.bundoc = bundoc
        self.clock = clock

    def is_ruled(self, caller: Caller, act: Act) -> bool:
        """Check the scopes or the role of a caller. Return True if rules then decide about this caller.

        Raises: RuleDenied for callers without a key, Forbidden, InsufficientScope.
        """
        return ruled_access.check_access(caller, act, DENIED)

    async def allows(self, caller: Caller, question: Question) -> bool:
        """Return the value of the rule; False if the bucket has no such rule. Raises: the problems of Bundoc."""
        rule = question.bucket.rules.get(question.operation)
        return rule is not None and await self._evaluated(caller, rule, question)

    async def refusal(self, caller: Caller, question: Question) -> RuleDenied:
        """Return the RuleDenied for a rule that is missing or false, with a trace for callers who may know it."""
        if not caller.explain:
            return RuleDenied(DENIED)
        operation, rule = question.operation, question.bucket.rules.get(question.operation)
        if rule is None:
            why = {"expr": operation, "error": f"the bucket has no rule {operation}, which denies"}
            return RuleDenied(DENIED, rule=operation, bucket=question.bucket.name, trace=[why])
        steps = await self._traced(caller, rule, question)
        return RuleDenied(DENIED, rule=operation, bucket=question.bucket.name, trace=steps)

    def visible(self, caller: Caller, bucket: OpenBucket) -> _Filter:
        """Return the filter of a list for a caller bound by rules. Raises: RuleDenied if there is no list rule."""
        rule = bucket.rules.get("list")
        if rule is None:
            raise RuleDenied(DENIED)
        return _Filter(rule, caller, bucket.name, self.clock)

    async def _evaluated(self, caller: Caller, rule: ObjectRule, question: Question) -> bool:
        documents: Documents = {}
        while True:
            try:
                try:
                    return rule.decide(self._inputs(caller, question, documents, LOOP_STEPS, True))
                except Postponed:
                    inputs = self._inputs(caller, question, documents, MAX_STEPS, False)
                    return await asyncio.to_thread(rule.decide, inputs)
            except _Unknown as unknown:
                documents[unknown.address] = await self._document(caller, unknown.address)

    async def _traced(self, caller: Caller, rule: ObjectRule, question: Question) -> list[dict[str, Any]]:
        documents: Documents = {}
        while True:
            inputs = self._inputs(caller, question, documents, MAX_STEPS, False)
            try:
                return cast("list[dict[str, Any]]", msgspec.to_builtins(await asyncio.to_thread(rule.trace, inputs)))
            except _Unknown as unknown:
                documents[unknown.address] = await self._document(caller, unknown.address)

    def _inputs(self, caller: Caller, question: Question, documents: Documents, most: int, postpones: bool) -> Inputs:
        def known(collection: str, id: str) -> dict[str, Any] | None:
            if (collection, id) not in documents:
                raise _Unknown((collection, id))
            return documents[collection, id]

        return Inputs(
            auth=auth_of(caller.user),
            next=question.next,
            now=self.clock.now(),
            request={"op": question.operation, "bucket": question.bucket.name},
            lookup=known,
            bound={"object": question.object},
            most=most,
            postpones=postpones,
        )

    async def _document(self, caller: Caller, address: Address) -> dict[str, Any] | None:
        """Return a document with its system fields, None if there is none. Raises: the problems of Bundoc."""
        try:
            found = await self.bundoc.get(Caller(CallerKind.SECRET, project=caller.project), *address)
        except (DocumentNotFound, CollectionNotFound, InvalidInput):
            return None
        document: dict[str, Any] = json_value(found.body)
        return document


class _Filter:
    """A list rule as a function of an object. It runs in a thread. `left`: the steps that the page may still take.

    Each object has the full limit of steps, because expensive objects must not cause other objects to be hidden. When
    no steps are left, the filter is `spent` and the page ends.
    """

    def __init__(self, rule: ObjectRule, caller: Caller, bucket: str, clock: Clock) -> None:
        self.rule = rule
        self.bucket = bucket
        self.auth = auth_of(caller.user)
        self.now = clock.now()
        self.left = PAGE_STEPS

    @property
    def spent(self) -> bool:
        return self.left <= 0

    def __call__(self, row: ObjectRow) -> bool:
        inputs = Inputs(
            auth=self.auth,
            now=self.now,
            request={"op": "list", "bucket": self.bucket},
            bound={"object": object_values(row, self.bucket)},
        )
        try:
            return self.rule.decide(inputs)
        finally:
            self.left -= 1 + inputs.steps


class _Unknown(Exception):
    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.address = address
