"""Administration: what the project's servers and developers do with its users."""

from __future__ import annotations

import unicodedata
from functools import partial

import msgspec
from msgspec import UNSET

from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.tenant_auth import (
    ManagedUser,
    ManagedUsers,
    NewUser,
    User,
    UserChanges,
    UserFilter,
    UserSessions,
)
from bunbase.pkg.addresses import email_or_none, normal_email
from bunbase.pkg.cursors import decode_cursor, encode_cursor
from bunbase.pkg.ids import new_id
from bunbase.tenant_auth.people import Person, changed, signed_out
from bunbase.tenant_auth.profiles import check_claims, check_data, check_role
from bunbase.tenant_auth.service.parts import Parts, existing, managed_project, no_such_user
from bunbase.tenant_auth.store.users import Alter


class Administration(Parts):
    async def users(self, caller: Caller, only: UserFilter, limit: int, cursor: str | None) -> ManagedUsers:
        project = managed_project(caller, Role.VIEWER)
        email = None if only.email is None else email_or_none(only.email)
        if only.email is not None and email is None:
            return ManagedUsers(())  # nobody can have it
        only = msgspec.structs.replace(only, email=email, q=_beginning(only.q))
        query = f"users:{project}:{msgspec.json.encode(only).decode()}"
        before = decode_cursor(query, cursor, str) if cursor else ""
        found = await self.stores.users.page(project, only, before, limit + 1)
        items = tuple(person.shown() for person in found[:limit])
        return ManagedUsers(items, encode_cursor(query, items[-1].id) if len(found) > limit else None)

    async def user(self, caller: Caller, id: str) -> ManagedUser:
        return (await self._existing(managed_project(caller, Role.VIEWER), id)).shown()

    async def create_user(self, caller: Caller, new: NewUser) -> ManagedUser:
        project, email = managed_project(caller, Role.DEVELOPER), normal_email(new.email)
        check_role(new.role)
        check_claims(new.claims)
        check_data(new.data)
        async with self.places.one(project):
            hash = None if new.password is None else await self.passwords.hash(project, new.password)  # it may wait
            await self.access.check_key(project)  # a project whose key was destroyed must not get another user
            user = User(new_id("usr"), email, new.email_verified, new.role, new.claims, new.data, self.clock.now())
            person = Person(user, hash)
            await self.stores.users.add(project, person)
        return person.shown()

    async def update_user(self, caller: Caller, id: str, changes: UserChanges) -> ManagedUser:
        project, changes = managed_project(caller, Role.DEVELOPER), _checked(changes)
        hash = None if changes.password is UNSET else await self.passwords.hash(project, changes.password)
        alter = partial(changed, changes=changes, password_hash=hash, now=self.clock.now())
        return (await self._change(project, id, alter)).shown()

    async def delete_user(self, caller: Caller, id: str) -> None:
        project = managed_project(caller, Role.DEVELOPER)
        if not await self.stores.users.delete(project, id, self.revoked_until(self.clock.now())):
            raise no_such_user()
        self.places.forget(project)

    async def user_sessions(self, caller: Caller, id: str, limit: int, cursor: str | None) -> UserSessions:
        project = managed_project(caller, Role.VIEWER)
        await self._existing(project, id)
        query = f"user sessions:{project}:{id}"
        before = decode_cursor(query, cursor, str) if cursor else ""
        found = await self.stores.sessions.page(project, id, self.clock.now(), before, limit + 1)
        items = tuple(found[:limit])
        return UserSessions(items, encode_cursor(query, items[-1].id) if len(found) > limit else None)

    async def end_user_sessions(self, caller: Caller, id: str) -> None:
        await self._change(managed_project(caller, Role.DEVELOPER), id, signed_out)

    async def _existing(self, project: str, id: str) -> Person:
        return existing(await self.stores.users.by_id(project, id))

    async def _change(self, project: str, id: str, alter: Alter) -> Person:
        now = self.clock.now()
        return existing(await self.stores.users.change(project, id, alter, now, self.revoked_until(now)))


def _checked(changes: UserChanges) -> UserChanges:
    """Give the changes with the email in its normal form. Raises: InvalidInput."""
    if changes.role is not UNSET:
        check_role(changes.role)
    if changes.claims is not UNSET:
        check_claims(changes.claims)
    if changes.data is not UNSET:
        check_data(changes.data)
    if changes.email is UNSET:
        return changes
    return msgspec.structs.replace(changes, email=normal_email(changes.email))


def _beginning(q: str | None) -> str | None:
    """Give the beginning of an address in the form in which addresses are stored."""
    return None if q is None else unicodedata.normalize("NFC", q.strip().lower())
