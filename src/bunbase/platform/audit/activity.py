"""Copy the activity of accounts that administrators need into the audit log of the installation.

The gateway stores no entries for acts without credentials: a reset of the password with a link, the approval of a
device on a page, the sign-in of an administrator. BunAuth stores such acts as activity, in the transaction of the act,
and the job of this file copies the activity. An entry keeps its id, so a job that is killed between the two steps
copies nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bunbase.contracts.audit import ActorKind
from bunbase.contracts.bunauth.activity import Activity, ActivityOutcome, UnauditedActivity
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.pkg.clock import Clock
from bunbase.pkg.jobs import Job
from bunbase.platform.audit.store import AuditRow, AuditStore

EVERY_SECONDS: Final = 2.0
PREFIX: Final = "aud"
DONE, REFUSED = 200, 401


def activity_job(store: AuditStore, bunauth: BunAuth, clock: Clock) -> Job:
    async def work() -> None:
        while found := await bunauth.unaudited_activity():
            inviters = tuple({one.entry.target for one in found if one.entry.action == Activity.OPEN} - {""})
            addresses = {one.id: one.email for one in await bunauth.accounts(inviters)} if inviters else {}
            for one in found:
                await store.add_once(_row(one, clock, addresses))
            await bunauth.activity_audited(tuple(one.entry.id for one in found))

    return Job("platform.audit_activity", work, EVERY_SECONDS)


def _row(one: UnauditedActivity, clock: Clock, addresses: Mapping[str, str]) -> AuditRow:
    """Return the entry of the log for an activity.

    Nobody knows who made a refused attempt, so the account is the target of the entry, and the actor is anonymous.

    If the target is an account, the entry has its address too. `addresses`: the addresses of accounts that have
    invited, by their id.

    The entry of a refused attempt gets the time at which this function copies the attempt. BunAuth counts refused
    attempts for an hour before it stores them. A reader that follows the log would miss an entry with an earlier time.
    """
    entry, done = one.entry, one.entry.outcome is ActivityOutcome.DONE
    target = entry.target if done else one.user
    address = addresses.get(target) if done else one.email
    method = {} if entry.method is None else {"method": entry.method.value}
    return AuditRow(
        id=f"{PREFIX}_{entry.id.rpartition('_')[2]}",
        at=entry.at if done else clock.now(),
        project="",
        actor_kind=ActorKind.DEVELOPER if done else ActorKind.ANONYMOUS,
        actor_id=one.user if done else "",
        actor_email=one.email if done else None,
        credential=None,
        action=entry.action,
        target=target,
        ip=entry.ip,
        agent=entry.agent,
        request_id="",
        status=DONE if done else REFUSED,
        after=method | ({"email": address} if address else {}) or None,
        count=entry.count,
    )
