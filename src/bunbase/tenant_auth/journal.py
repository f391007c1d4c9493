"""Record the events about the credentials of users.

An event is stored in the transaction of its change, so that no event is lost or invented. Refused sign-ins are counted
in memory (`pkg/identity/refused_attempts.py`), and a job stores the counts once a second. A refresh stores no event.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import ActedBy, UserAct, UserActOutcome
from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.activity_slots import cut, full_slot, hour_of, shared_slot
from bunbase.pkg.identity.devices import device_of
from bunbase.pkg.identity.events import CredentialEvent, Note, Refused
from bunbase.pkg.identity.refused_attempts import CountedAttempts, RefusedAttempts
from bunbase.pkg.ids import new_id
from bunbase.tenant_auth.store.activity import ActivityStore, NewEntry

PREFIX: Final = "uac"
DEVELOPER: Final = "usr_"
DONE, REFUSED = UserActOutcome.DONE, UserActOutcome.REFUSED

ACTS: Final = {
    CredentialEvent.TOTP_CONFIRMED: UserAct.TOTP_CONFIRM,
    CredentialEvent.TOTP_REMOVED: UserAct.TOTP_DELETE,
    CredentialEvent.RECOVERY_CODES_REPLACED: UserAct.RECOVERY_CODE_CREATE,
    CredentialEvent.PASSKEY_ADDED: UserAct.PASSKEY_CREATE,
    CredentialEvent.PASSKEY_REMOVED: UserAct.PASSKEY_DELETE,
    CredentialEvent.FACTORS_REMOVED: UserAct.RESET_FACTORS,
    CredentialEvent.EMAIL_CHANGED: UserAct.EMAIL_CHANGE,
    CredentialEvent.EMAIL_CHANGE_AGREED: UserAct.EMAIL_CHANGE_AGREE,
    CredentialEvent.IDENTITY_LINKED: UserAct.IDENTITY_LINK,
    CredentialEvent.IDENTITY_REMOVED: UserAct.IDENTITY_DELETE,
    CredentialEvent.TAKEN_OVER: UserAct.TAKE_OVER,
}


class Actor(msgspec.Struct, frozen=True):
    """The actor of an event. `id`: the id of the member or key. `session`: the session in which the actor acted."""

    by: ActedBy
    id: str = ""
    ip: str = ""
    agent: str = ""
    session: str = ""


SYSTEM: Final = Actor(ActedBy.SYSTEM)


def the_user(caller: Caller) -> Actor:
    """Return the actor of a request for end users. An administrator may use the session of a user."""
    user, agent = caller.user, cut(caller.agent)
    session = user.session if user else ""
    if user is not None and user.act:
        by = ActedBy.MEMBER if user.act.startswith(DEVELOPER) else ActedBy.KEY
        return Actor(by, user.act, caller.ip, agent, session)
    return Actor(ActedBy.USER, "", caller.ip, agent, session)


def administrator(caller: Caller) -> Actor:
    """Return the actor of a request for administrators: a member of the project, or its secret key."""
    if caller.developer is not None:
        return Actor(ActedBy.MEMBER, caller.developer.id, caller.ip, cut(caller.agent))
    return Actor(ActedBy.KEY, caller.key, caller.ip, cut(caller.agent))


class Event(msgspec.Struct, frozen=True):
    """An event. `session`: the session that the event opened.

    `on_device`: the event proves that the user has the device.
    """

    act: UserAct
    method: str = ""
    target: str = ""
    amr: tuple[str, ...] = ()
    session: str = ""
    on_device: bool = False
    outcome: UserActOutcome = DONE


class Attempt(msgspec.Struct, frozen=True):
    """A kind of refused attempt: all attempts that are equal are counted together."""

    project: str
    user: str
    act: UserAct
    method: str
    ip: str
    agent: str


class Journal:
    def __init__(self, store: ActivityStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.attempts = RefusedAttempts(self._store, _blurred, lambda attempt: attempt.project, clock)

    async def add(self, project: str, user: str, event: Event, actor: Actor) -> bool:
        """Store an event in its transaction. Return True if the user has never signed in from the device before."""
        return await self.store.add(_entry(project, user, event, actor, _now(self.clock)))

    async def add_imported(self, project: str, users: Sequence[str], actor: Actor) -> None:
        """Store that users were imported, in the transaction of the import."""
        if users:
            shared = _entry(project, "", Event(UserAct.IMPORT), actor, _now(self.clock))
            await self.store.add_many(shared, [new_id(PREFIX) for _ in users], users)

    async def deleted(self, project: str, user: str, actor: Actor) -> None:
        """Delete the entries of a user who was deleted in this transaction.

        One entry stays. This entry says that the user was deleted, and by whom.
        """
        await self.store.forget([project], [user])
        bare = msgspec.structs.replace(actor, session="")
        if actor.by is ActedBy.USER:  # The user has left, so no data about the device is stored.
            bare = Actor(ActedBy.USER)
        await self.add(project, user, Event(UserAct.DELETE), bare)

    async def documents_deleted(self, project: str, user: str, collection: str, count: int) -> None:
        """Add to the number of documents that were deleted because of a user's deletion."""
        act, now = UserAct.DELETE_DOCUMENTS.value, self.clock.now()
        await self.store.count_documents(project, new_id(PREFIX), user, now, act, collection, count)

    def refuse(self, caller: Caller, user: str, act: UserAct, method: str) -> None:
        """Count a refused attempt, and return immediately. A job stores the count."""
        self.attempts.note(Attempt(caller.project, user, act, method, caller.ip, cut(caller.agent)))

    async def store_refused(self) -> None:
        await self.attempts.store_all()

    async def store_refused_of(self, project: str, user: str | None) -> None:
        """Store the refused attempts of one user, or of one project, because somebody is about to read them."""
        await self.attempts.store_all(lambda one: one.project == project and user in (None, one.user))

    def storing_the_rest(self) -> AbstractAsyncContextManager[None]:
        return self.attempts.storing_the_rest()

    def noted(self, project: str, actor: Actor) -> Note:
        """Return the function that stores the changes that an actor makes."""

        async def note(user: str, event: CredentialEvent, target: str) -> None:
            await self.add(project, user, Event(ACTS[event], target=target), actor)

        return note

    def refused(self, caller: Caller, act: UserAct, method: str) -> Refused:
        """Return the function that counts the refused attempts of a caller."""

        def refused(user: str) -> None:
            self.refuse(caller, user, act, method)

        return refused

    async def _store(self, attempt: Attempt, counted: CountedAttempts) -> None:
        event = Event(attempt.act, attempt.method, outcome=REFUSED)
        actor = Actor(ActedBy.UNKNOWN, ip=attempt.ip, agent=attempt.agent)
        await self.store.add_refused(_entry(attempt.project, attempt.user, event, actor, counted))


def _now(clock: Clock) -> CountedAttempts:
    now = clock.now()
    return CountedAttempts(now, now, 1)


def _blurred(attempt: Attempt) -> Attempt:
    return msgspec.structs.replace(attempt, ip="", agent="")


def _entry(project: str, user: str, event: Event, actor: Actor, counted: CountedAttempts) -> NewEntry:
    at, act, outcome = counted.at, event.act.value, event.outcome.value
    same = (act, event.method, actor.ip, actor.agent)
    return NewEntry(
        project=project,
        id=new_id(PREFIX),
        user=user,
        at=at,
        last_at=counted.last_at,
        hour=hour_of(at),
        action=act,
        outcome=outcome,
        by=actor.by.value,
        method=event.method,
        target=cut(event.target),
        amr=event.amr,
        actor=actor.id,
        ip=actor.ip,
        agent=actor.agent,
        session=event.session or actor.session,
        device=device_of(actor.agent, actor.ip) if event.on_device else None,
        count=counted.count,
        slot="" if event.outcome is not REFUSED else shared_slot(at, *same),
        full_slot=full_slot(at, act, outcome),
    )
