"""Record the activity of accounts, and show it to their owners.

Refused attempts are counted in memory (`pkg/identity/refused_attempts.py`), and a job stores them once a second.
All other actions are stored in the transaction of the action itself, so that no action is lost or invented.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
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
from bunbase.pkg.identity.activity_slots import cut, full_slot, hour_of, shared_slot
from bunbase.pkg.identity.refused_attempts import CountedAttempts, RefusedAttempts
from bunbase.pkg.ids import new_id

PREFIX: Final = "acv"
BATCH: Final = 500
# This long after an hour, all processes have stored the refused attempts of the hour.
LATE: Final = timedelta(minutes=1)


class Happened(msgspec.Struct, frozen=True):
    """An action. `target`: the id or name of the changed thing, or of the service that was used to sign in."""

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


class ActivityService:
    def __init__(self, stores: Stores, clock: Clock) -> None:
        self.stores = stores
        self.clock = clock
        self.refused = RefusedAttempts(self._store, _blurred, lambda attempt: attempt.user, clock)

    async def add(self, caller: Caller, user: str, happened: Happened) -> None:
        """Store an action. Call this inside the transaction of the action."""
        now = self.clock.now()
        await self.stores.activity.add(_row(_attempt(caller, user, happened), CountedAttempts(now, now, 1)))

    def note_refused(
        self, caller: Caller, user: str, action: Activity, method: ActivityMethod | None, target: str = ""
    ) -> None:
        """Count a refused attempt, and return immediately. A job stores the count."""
        attempt = _attempt(caller, user, Happened(action, method, target, ActivityOutcome.REFUSED))
        self.refused.note(attempt)

    async def store_refused(self) -> None:
        """Store the refused attempts that were counted. After an error, the next call stores the rest."""
        await self.refused.store_all()

    def storing_the_rest(self) -> AbstractAsyncContextManager[None]:
        """Return a context that, at its end, stores the attempts that the job has not stored yet."""
        return self.refused.storing_the_rest()

    async def page(self, caller: Caller, limit: int, cursor: str | None) -> AccountActivity:
        """Return the activity of the caller's account, newest first. Raises: InvalidCursor, Forbidden."""
        developer = with_session(caller, "it cannot see the activity of the account: sign in")
        await self.refused.store_all(lambda one: one.user == developer.id)
        query = f"activity:{developer.id}"
        before = page_start(query, cursor, str, "")
        found = await self.stores.activity.page(developer.id, before, limit + 1)
        page, next = cut_page(found, limit, query, lambda entry: entry.id)
        return AccountActivity(tuple(page), next)

    async def unaudited(self) -> tuple[UnauditedActivity, ...]:
        """Return entries that the audit log needs. Refused attempts are returned only after their hour is over."""
        hour = hour_of(self.clock.now() - LATE)
        return tuple(await self.stores.activity.unaudited(hour, BATCH))

    async def _store(self, attempt: Attempt, counted: CountedAttempts) -> None:
        await self.stores.activity.add_counted(_row(attempt, counted))


def _blurred(attempt: Attempt) -> Attempt:
    return msgspec.structs.replace(attempt, ip="", agent="")


def _attempt(caller: Caller, user: str, happened: Happened) -> Attempt:
    """Return an attempt. `unseen`: the gateway writes no audit entry for this attempt, because it does not know the
    account, or does not see the action.
    """
    if caller.rpc and happened.method in (None, ActivityMethod.PASSWORD):
        happened = msgspec.structs.replace(happened, method=ActivityMethod.JSON_RPC)
    happened = msgspec.structs.replace(happened, target=cut(happened.target))
    return Attempt(user, happened, caller.ip, cut(caller.agent), caller.developer is None or caller.rpc)


def _row(attempt: Attempt, counted: CountedAttempts) -> NewActivity:
    happened, hour, id = attempt.happened, hour_of(counted.at), new_id(PREFIX)
    method, outcome = happened.method.value if happened.method else "", happened.outcome.value
    same = (happened.action.value, method, happened.target, outcome, attempt.ip, attempt.agent)
    done, signs_in = happened.outcome is ActivityOutcome.DONE, happened.action is Activity.SIGN_IN
    slot = id if done else shared_slot(hour, *same)
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
        full_slot=full_slot(hour, happened.action.value, outcome),
        audited=audited and always,
        audited_of_admin=audited and signs_in,
    )
