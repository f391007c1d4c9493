"""Keep the activity of accounts, and show it to their owners.

Concern: a refused sign-in is kept only if the account exists. A write before the answer would make the answers for
    addresses with an account slower, and so tell strangers which these are.
Decision: refused attempts are counted in memory, at the cost of one entry in a dictionary, and a job stores them
    once a second. A process that is killed loses the attempts of this second.
Rejected: a row for each attempt, also for unknown addresses, which a job reads later: strangers could then write to the
    database without limit, and the addresses that they try would be stored.

All other actions are stored in the transaction of the action itself, so that none is lost and none is invented.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

import msgspec

from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.activity import NewActivity
from bunbase.contracts.bunauth.activity import (
    AccountActivity,
    Activity,
    ActivityMethod,
    ActivityOutcome,
    UnauditedActivity,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id

PREFIX: Final = "acv"
MAX_TEXT: Final = 200  # characters of a program's name or a target; longer ones are cut
MAX_WAITING: Final = 10_000  # different refused attempts of one second; more of them lose their address
BATCH: Final = 500
HOUR: Final = timedelta(hours=1)
LATE: Final = timedelta(minutes=1)  # until all processes have stored the refused attempts of an hour


class Happened(msgspec.Struct, frozen=True):
    """An action. `target`: the id or name of the changed thing, or of the service that signed in."""

    action: Activity
    method: ActivityMethod | None = None
    target: str = ""
    outcome: ActivityOutcome = ActivityOutcome.DONE


class Attempt(msgspec.Struct, frozen=True):
    """A kind of refused attempt: all attempts that are equal are counted together."""

    user: str
    happened: Happened
    ip: str
    agent: str
    unseen: bool


class Counted(msgspec.Struct):
    at: datetime
    last_at: datetime
    count: int = 0


class ActivityService:
    def __init__(self, stores: Stores, clock: Clock) -> None:
        self.stores = stores
        self.clock = clock
        self.waiting: dict[Attempt, Counted] = {}

    async def add(self, caller: Caller, user: str, happened: Happened) -> None:
        """Store an action. Call this inside the transaction of the action."""
        now = self.clock.now()
        await self.stores.activity.add(_row(_attempt(caller, user, happened), Counted(now, now, 1)))

    def note_refused(
        self, caller: Caller, user: str, action: Activity, method: ActivityMethod | None, target: str = ""
    ) -> None:
        """Count a refused attempt; a job stores it. This waits for nothing."""
        attempt = _attempt(caller, user, Happened(action, method, target, ActivityOutcome.REFUSED))
        if attempt not in self.waiting and len(self.waiting) >= MAX_WAITING:
            attempt = msgspec.structs.replace(attempt, ip="", agent="")
        now = self.clock.now()
        counted = self.waiting.setdefault(attempt, Counted(now, now))
        counted.last_at = now
        counted.count += 1

    async def store_refused(self) -> None:
        """Store the refused attempts that were counted. After an error, the rest of them waits for the next call."""
        while self.waiting:
            attempt = next(iter(self.waiting))
            counted = self.waiting.pop(attempt)
            try:
                await self.stores.activity.add_counted(_row(attempt, counted))
            except BaseException:
                self._count_again(attempt, counted)
                raise

    @asynccontextmanager
    async def storing_the_rest(self) -> AsyncIterator[None]:
        """At the end of the block, store what the job has not stored yet."""
        try:
            yield
        finally:
            with suppress(Problem):  # the database is away: these attempts are lost
                await self.store_refused()

    async def page(self, caller: Caller, limit: int, cursor: str | None) -> AccountActivity:
        """Return the activity of the caller's account, newest first. Raises: InvalidCursor, Forbidden."""
        developer = with_session(caller, "it cannot see the activity of the account: sign in")
        await self.store_refused()
        query = f"activity:{developer.id}"
        before = page_start(query, cursor, str, "").replace("\0", "")
        found = await self.stores.activity.page(developer.id, before, limit + 1)
        page, next = cut_page(found, limit, query, lambda entry: entry.id)
        return AccountActivity(tuple(page), next)

    async def unaudited(self) -> tuple[UnauditedActivity, ...]:
        """Return entries that the audit log needs. Refused attempts are complete when their hour is over."""
        hour = _hour(self.clock.now() - LATE)
        return tuple(await self.stores.activity.unaudited(hour, BATCH))

    def _count_again(self, attempt: Attempt, counted: Counted) -> None:
        newer = self.waiting.setdefault(attempt, Counted(counted.at, counted.last_at))
        newer.at = counted.at
        newer.count += counted.count


def _attempt(caller: Caller, user: str, happened: Happened) -> Attempt:
    """`unseen`: the gateway has no entry for it, because it does not know the account, or does not see the act."""
    if caller.rpc and happened.method in (None, ActivityMethod.PASSWORD):
        happened = msgspec.structs.replace(happened, method=ActivityMethod.JSON_RPC)
    happened = msgspec.structs.replace(happened, target=_cut(happened.target))
    return Attempt(user, happened, caller.ip, _cut(caller.agent), caller.developer is None or caller.rpc)


def _row(attempt: Attempt, counted: Counted) -> NewActivity:
    happened, hour, id = attempt.happened, _hour(counted.at), new_id(PREFIX)
    method, outcome = happened.method.value if happened.method else "", happened.outcome.value
    same = (happened.action.value, method, happened.target, outcome, attempt.ip, attempt.agent)
    of_hour = f"{hour:%Y%m%d%H}"
    done, signs_in = happened.outcome is ActivityOutcome.DONE, happened.action is Activity.SIGN_IN
    slot = id if done else f"{of_hour} {_digest(same)}"
    audited = attempt.unseen and happened.outcome is not ActivityOutcome.CHALLENGED
    always = not signs_in or (done and happened.method is ActivityMethod.RECOVERY_CODE)
    return NewActivity(
        id=id,
        user=attempt.user,
        at=counted.at,
        last_at=counted.last_at,
        action=happened.action.value,
        method=method,
        target=happened.target,
        outcome=outcome,
        ip=attempt.ip,
        agent=attempt.agent,
        count=counted.count,
        hour=hour,
        slot=slot,
        full_slot=f"{of_hour} {happened.action.value} {outcome}",
        audited=audited and always,
        audited_of_admin=audited and signs_in,
    )


def _digest(texts: tuple[str, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(texts)).hexdigest()


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _cut(text: str) -> str:
    return text.replace("\0", "�")[:MAX_TEXT]
