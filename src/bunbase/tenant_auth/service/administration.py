"""Administer users, on behalf of the project's servers and developers."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import UNSET

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.sessions import CustomToken, UserSessions
from bunbase.contracts.tenant_auth.users import (
    ManagedUser,
    ManagedUsers,
    NewUser,
    User,
    UserChanges,
    UserFilter,
    UserOrder,
)
from bunbase.pkg.addresses import known_email, normal_email
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.pkg.phones import normal_phone, phone_or_none
from bunbase.tenant_auth.journal import Actor, Event, administrator
from bunbase.tenant_auth.people import (
    Person,
    credential_changes,
    existing,
    no_such_user,
    refuse_banned,
    signed_out,
    with_changes,
)
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.profiles import (
    check_claims,
    check_data,
    check_language,
    check_name,
    check_role,
    checked_sign_in_name,
)
from bunbase.tenant_auth.service.callers import managed_project
from bunbase.tenant_auth.service.cascade import Cascade
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.store.users import Alter

MAX_BAN: Final = timedelta(days=36_500)


class Administration:
    def __init__(self, opening: OpenSession, places: Places, cascade: Cascade) -> None:
        self.stores = opening.stores
        self.pools = opening.pools
        self.places = places
        self.cascade = cascade
        self.journal = opening.journal
        self.access = opening.tokens.access
        self.clock = opening.tokens.clock

    async def list_users(self, caller: Caller, only: UserFilter, limit: int, cursor: str | None) -> ManagedUsers:
        project = managed_project(caller, Act.USER_READ)
        email = None if only.email is None else known_email(only.email)
        phone = None if only.phone is None else _sent_phone(only.phone)
        if (only.email is not None and email is None) or (only.phone is not None and phone is None):
            return ManagedUsers(())  # No user can have this address or number.
        number = _sent_phone(only.q or "") if only.phone is None else None
        if number is None:
            only = msgspec.structs.replace(only, email=email, phone=phone, q=_normal_beginning(only.q))
        else:
            only = msgspec.structs.replace(only, email=email, phone=number, q=None)
        query = f"users:{project}:{msgspec.json.encode(only).decode()}"
        before = page_start(query, cursor, str, "")
        now = self.clock.now()
        found = await self.stores.users.page(project, only, before, limit + 1, now)
        page, next = cut_page(found, limit, query, _place(only.order))
        return ManagedUsers(tuple(person.shown(now) for person in page), next)

    async def get_user(self, caller: Caller, id: str) -> ManagedUser:
        return (await self._existing(managed_project(caller, Act.USER_READ), id)).shown(self.clock.now())

    async def create_user(self, caller: Caller, new: NewUser) -> ManagedUser:
        project = managed_project(caller, Act.USER_CREATE)
        email = None if new.email is None else normal_email(new.email)
        phone = None if new.phone is None else normal_phone(new.phone)
        if email is None and phone is None:
            raise InvalidInput.at("/email", "Send an address, a phone number, or both.")
        check_name(new.name)
        check_language(new.language)
        check_role(new.role)
        check_claims(new.claims)
        check_data(new.data)
        async with self.places.reserve(project):
            pool = await self.pools.of(project)
            hash = None if new.password is None else await pool.new_passwords.hash(new.password, email or phone or "")
            # This check comes after hashing, which may wait in a queue. A project whose key was destroyed must not get
            # another user.
            await self.access.check_key(project)
            verified, now = new.email_verified and email is not None, self.clock.now()
            known = {"phone": phone, "phone_verified": new.phone_verified and phone is not None}
            user = User(new_id("usr"), email, verified, new.role, new.claims, new.data, now, new.name)
            person = Person(msgspec.structs.replace(user, language=new.language, **known), hash)
            async with self.stores.db.transaction():
                await self.stores.users.add(project, person)
                await self.journal.add(project, person.id, Event(UserAct.CREATE), administrator(caller))
        return person.shown(self.clock.now())

    async def update_user(self, caller: Caller, id: str, changes: UserChanges) -> ManagedUser:
        project, changes = managed_project(caller, Act.USER_UPDATE), _checked(changes, self.clock.now())
        hash = None
        if changes.password is not UNSET:
            pool, person = await self.pools.of(project), await self._existing(project, id)
            email = person.email if changes.email is UNSET else changes.email
            phone = person.user.phone if changes.phone is UNSET else changes.phone
            hash = await pool.new_passwords.hash(changes.password, checked_sign_in_name(email, phone), person)
        now = self.clock.now()
        alter = partial(with_changes, changes=changes, password_hash=hash, now=now)
        return (await self._change(project, id, alter, administrator(caller))).shown(now)

    async def delete_user(self, caller: Caller, id: str) -> None:
        project = managed_project(caller, Act.USER_DELETE)
        if not await self.cascade.delete_user(project, id, await self.pools.revoked_until(), administrator(caller)):
            raise no_such_user()
        self.places.count_again(project)

    async def list_sessions(self, caller: Caller, id: str, limit: int, cursor: str | None) -> UserSessions:
        project = managed_project(caller, Act.USER_READ)
        await self._existing(project, id)
        query = f"user sessions:{project}:{id}"
        before = page_start(query, cursor, str, "")
        found = await self.stores.sessions.page(project, id, self.clock.now(), before, limit + 1)
        page, next = cut_page(found, limit, query, lambda session: session.id)
        return UserSessions(tuple(page), next)

    async def end_sessions(self, caller: Caller, id: str) -> None:
        project = managed_project(caller, Act.USER_SIGN_OUT)
        async with self.stores.db.transaction():
            await self._change(project, id, signed_out, administrator(caller))
            await self.journal.add(project, id, Event(UserAct.SESSION_END), administrator(caller))

    async def make_custom_token(self, caller: Caller, uid: str, claims: dict[str, Any]) -> CustomToken:
        project = managed_project(caller, Act.USER_IMPERSONATE)
        check_claims(claims)
        refuse_banned(await self._existing(project, uid), self.clock.now())
        return await self.access.sign_custom(project, uid, claims, self.clock.now())

    async def drop_project(self, project: str) -> None:
        """Delete everything of a project that was deleted. Idempotent."""
        self.access.forget_keys(project)
        self.places.count_again(project)
        await self.stores.drop_project(project)

    async def _existing(self, project: str, id: str) -> Person:
        return existing(await self.stores.users.by_id(project, id))

    async def _change(self, project: str, id: str, alter: Alter, actor: Actor) -> Person:
        until, now = await self.pools.revoked_until(), self.clock.now()
        async with self.stores.db.transaction():
            before = existing(await self.stores.users.locked(project, id))
            after = existing(await self.stores.users.change(project, id, alter, now, until))
            for act in credential_changes(before, after, now):
                await self.journal.add(project, id, Event(act), actor)
        return after


def _checked(changes: UserChanges, now: datetime) -> UserChanges:
    """Return the changes with the email in its normal form. Raises: InvalidInput."""
    if changes.role is not UNSET:
        check_role(changes.role)
    if changes.claims is not UNSET:
        check_claims(changes.claims)
    if changes.data is not UNSET:
        check_data(changes.data)
    if changes.banned_until is not UNSET and changes.banned_until is not None:
        if changes.banned is False:
            raise InvalidInput.at("/banned_until", "Leave this out, or send null, to end a ban.")
        if not now < changes.banned_until <= now + MAX_BAN:
            raise InvalidInput.at("/banned_until", "Send a time in the future, at most 100 years from now.")
    if changes.name is not UNSET:
        check_name(changes.name)
    if changes.language is not UNSET:
        check_language(changes.language)
    if isinstance(changes.phone, str):
        changes = msgspec.structs.replace(changes, phone=normal_phone(changes.phone))
    if changes.email is UNSET:
        return changes
    return msgspec.structs.replace(changes, email=normal_email(changes.email))


def _place(order: UserOrder) -> Callable[[Person], str]:
    """Return the function that returns the position of a user in an order."""
    return (lambda person: person.email or "") if order is UserOrder.EMAIL else (lambda person: person.id)


def _sent_phone(text: str) -> str | None:
    """Return the normal form of a number in a URL, where an unencoded plus sign becomes a space."""
    return phone_or_none(f"+{text.lstrip()}" if text.startswith(" ") else text)


def _normal_beginning(q: str | None) -> str | None:
    """Return the prefix of an address in the normal form of stored addresses."""
    return None if q is None else unicodedata.normalize("NFC", q.strip().lower())
