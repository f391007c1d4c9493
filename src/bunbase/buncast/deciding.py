"""Decides the subscriptions of one project: when they begin, and again when the data behind the decision changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from bunbase.buncast.documents import Documents, Reading
from bunbase.buncast.edge import Subscription
from bunbase.buncast.permissions import check_access, denied, limited_name
from bunbase.buncast.project import Project
from bunbase.buncast.rules import Address, Budget, Decision, Subject
from bunbase.buncast.turns import Turns
from bunbase.contracts.bundoc.problems import BundocBusy, RuleDenied, WriteContended
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.rule_variables import auth_of
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import DeadlineExceeded, Problem, Unreachable

ATTEMPTS: Final = 10  # A decision whose documents change meanwhile is attempted at most this often.
AT_ONCE: Final = 32  # At most this many decisions run at once, because each of them may wait for Bundoc.
RETRY_SECONDS: Final = 0.5
MAX_FAILURES: Final = 10
SETTLE_SECONDS: Final = 5.0
HINT: Final = (
    "To see the reason, send the header X-Bunbase-Explain: true, or with a WebSocket the member explain of the message "
    "auth (in dev mode only)."
)
NO_PATTERN: Final = "no pattern matches this channel"


class Verdict(msgspec.Struct, frozen=True):
    """The rights of a caller in a channel.

    `enters`: true if the caller may be a member with the data that it has sent.
    """

    subscribes: bool
    sees: bool
    enters: bool
    documents: frozenset[Address] = frozenset()
    timed: bool = False


class Pending:
    """The subscriptions that must be decided again. The callers take turns, and the subscriptions of each caller stay
    in order.

    Without turns, a revoked member stayed in a channel until all channels of another user had been decided.
    """

    def __init__(self) -> None:
        self._callers: dict[Subscription, str] = {}
        self._queues: OrderedDict[str, dict[Subscription, None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._callers)

    def add(self, one: Subscription) -> None:
        if one not in self._callers:
            caller = self._callers[one] = limited_name(one.caller) or one.caller.key
            self._queues.setdefault(caller, {})[one] = None

    def discard(self, one: Subscription) -> None:
        caller = self._callers.pop(one, None)
        if caller is not None:
            del self._queues[caller][one]
            if not self._queues[caller]:
                del self._queues[caller]

    def take(self, most: int) -> list[Subscription]:
        """Remove and return the next subscriptions, up to a maximum number."""
        taken: list[Subscription] = []
        while self._queues and len(taken) < most:
            caller, queue = next(iter(self._queues.items()))
            self._queues.move_to_end(caller)
            taken.append(next(iter(queue)))
            self.discard(taken[-1])
        return taken


class Deciding:
    """Decides about subscriptions. `project.definitions` and the documents may change at any time, so a decision is
    repeated until nothing has changed during it.

    Without the repetition, a user stayed in a channel if the membership ended while the rule looked it up.
    """

    def __init__(self, project: Project, bundoc: Bundoc, clock: Clock, turns: Turns, dev: bool = False) -> None:
        self.project = project
        self.dev = dev
        self.clock = clock
        self.turns = turns
        self.documents = Documents(bundoc, project.id, self.again, self._lost)
        self._pending = Pending()
        self._failures: dict[Subscription, int] = {}
        self._task: asyncio.Task[None] | None = None

    async def verdict(
        self, caller: Caller, channel: str, presence: bytes | None, one: Subscription, shares: bool = False
    ) -> Verdict:
        """Decide. From then on, the subscription depends on the documents that the decision has read.

        `presence`: the data with which the caller wants to be a member; None if the caller does not want to be a
        member.
        `shares`: true if the decision may share its reads of documents with other decisions.
        Raises: Forbidden, InsufficientScope, WriteContended, Unreachable, BundocBusy.
        """
        bound = check_access(caller, Act.CHANNEL_SUBSCRIBE)
        for _ in range(ATTEMPTS):
            reading = Reading(shares)
            definitions = self.project.definitions
            try:
                found = await self._decided(caller, channel, presence, bound, reading)
                if not reading.stale and definitions is self.project.definitions:
                    self.documents.depend(one, found.documents)
                    one.timed = found.timed
                    return found
            finally:
                self.documents.forget_reading(reading)
        raise WriteContended("The documents that the rules of this channel look up change too often. Try again.")

    async def may_publish(self, caller: Caller, channel: str, message: bytes, budget: Budget) -> bool:
        """True if the caller may publish a message. Raises: Unreachable, BundocBusy."""
        kind, params = self.project.definitions.of(channel)
        subject = Subject(auth_of(caller.user), channel, params, self.clock.now(), message)
        return await Decision(self.documents.read, self.turns, budget).allows(kind.rules.get("publish"), subject)

    async def may_enter(self, caller: Caller, one: Subscription, data: bytes) -> bool:
        """Decide about new data of a member. Raises: the problems of `verdict`."""
        if not check_access(caller, Act.CHANNEL_SUBSCRIBE):
            return True
        found = await self.verdict(caller, one.channel, data, one)
        if not found.subscribes or one not in self.project.subscriptions:
            self.again([one])
        return found.enters

    async def explained(self, caller: Caller, refused: RuleDenied, message: bytes | None) -> RuleDenied:
        """Return a refusal with the values of the parts of its rule, for a caller who may know them (`explain`).

        In dev mode, tell all other callers how to see these values. `message`: the data that the rule has read.
        """
        act, channel = refused.extra.get("rule"), refused.extra.get("channel")
        if act is None or channel is None:
            return refused
        if not caller.explain:
            hint = f" {HINT}" if self.dev and caller.kind is CallerKind.PUBLISHABLE else ""
            return RuleDenied(f"{refused.detail}{hint}", **refused.extra)
        kind, params = self.project.definitions.of(channel)
        rule = kind.rules.get(act)
        if rule is None:
            where = f"the pattern {kind.pattern.source} has no rule {act}" if kind.pattern.source else NO_PATTERN
            return RuleDenied(refused.detail, **refused.extra, trace=[{"expr": act, "error": f"{where}, which denies"}])
        decision = Decision(self.documents.read, self.turns, Budget())
        subject = Subject(auth_of(caller.user), channel, params, self.clock.now(), message)
        trace = await decision.trace(rule, subject)
        return RuleDenied(refused.detail, **refused.extra, pattern=kind.pattern.source, trace=trace)

    def again(self, subscriptions: Iterable[Subscription]) -> None:
        """Decide about these subscriptions soon."""
        for one in subscriptions:
            self._pending.add(one)
        if self._pending and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._decide_all())

    async def settled(self) -> None:
        """Wait until no decision is waiting, for at most SETTLE_SECONDS."""
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=SETTLE_SECONDS)

    def forget(self, one: Subscription) -> None:
        self._pending.discard(one)
        self._failures.pop(one, None)
        self.documents.depend(one, frozenset())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.documents.close()

    async def _decided(
        self, caller: Caller, channel: str, presence: bytes | None, bound: bool, reading: Reading
    ) -> Verdict:
        kind, params = self.project.definitions.of(channel)
        if not bound:
            return Verdict(True, kind.presence, kind.presence)

        async def fetch(address: Address) -> dict[str, Any] | None:
            return await self.documents.fetch(reading, address)

        decision = Decision(fetch, self.turns, Budget())
        subject = Subject(auth_of(caller.user), channel, params, self.clock.now())
        subscribes = await decision.allows(kind.rules.get("subscribe"), subject)
        sees = enters = False
        if subscribes and kind.presence:
            rule = kind.rules.get("presence")
            sees = await decision.allows(rule, subject)
            if presence is not None:
                enters = await decision.allows(rule, msgspec.structs.replace(subject, message=presence))
        return Verdict(subscribes, sees, enters, frozenset(decision.documents), decision.timed)

    async def _decide_all(self) -> None:
        while self._pending:
            some = self._pending.take(AT_ONCE)
            await asyncio.gather(*[self._decide_again(one) for one in some])
            await asyncio.sleep(RETRY_SECONDS if self._failures else 0)

    async def _decide_again(self, one: Subscription) -> None:
        member, caller = one.own_member, one.caller
        try:
            found = await self.verdict(caller, one.channel, None if member is None else member.data, one, shares=True)
        except (Unreachable, BundocBusy, DeadlineExceeded, WriteContended) as problem:
            self._failed(one, problem)
            return
        except Problem as problem:
            self._end(one, problem)
            return
        self._failures.pop(one, None)
        if one not in self.project.subscriptions:
            self.forget(one)
        elif one.caller is not caller:
            self.again([one])
        elif not found.subscribes:
            self._end(one, denied("subscribe", one.channel))
        elif (one.sees and not found.sees) or (member is not None and one.own_member and not found.enters):
            self._end(one, denied("presence", one.channel))

    def _failed(self, one: Subscription, problem: Problem) -> None:
        """Decide again later, but only for a limited time, because the rules may no longer allow the subscription."""
        failures = self._failures[one] = self._failures.get(one, 0) + 1
        if failures < MAX_FAILURES and one in self.project.subscriptions:
            self._pending.add(one)
        else:
            self._end(one, problem)

    def _lost(self, subscriptions: set[Subscription]) -> None:
        for one in subscriptions:
            self._end(one, Unreachable("The documents that the rules look up cannot be followed. Join again."))

    def _end(self, one: Subscription, problem: Problem) -> None:
        self.forget(one)
        self.project.end(one, problem, self.project.monotonic())
