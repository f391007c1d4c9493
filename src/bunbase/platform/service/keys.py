"""Creates, changes, rotates, revokes and checks the keys of projects."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET

from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.keys import KeyChanges, KeyLimits
from bunbase.contracts.platform import UNLIMITED, InvalidKey, Key, KeyHolder, Keys, ProjectKeyNotFound
from bunbase.contracts.project_administration import ProjectSuspended
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.pkg.opaque import fingerprint, hint, new_secret
from bunbase.platform.key_limits import changed_limits, checked_limits
from bunbase.platform.service.rules import SUSPENDED, checked_name, forget_at
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.store.keys import KeyStore, NewKey

A_NAME: Final = "A key's name"
PREFIX: Final = {CallerKind.PUBLISHABLE: "pk", CallerKind.SECRET: "sk"}


class ProjectKeys:
    def __init__(self, keys: KeyStore, clock: Clock, settings: PlatformSettings) -> None:
        self.store = keys
        self.clock = clock
        self.settings = settings

    async def list_keys(self, caller: Caller) -> Keys:
        caller.check(Act.KEY_READ)
        return Keys(tuple(await self.store.of(caller.project)))

    async def create(
        self, caller: Caller, kind: CallerKind, name: str, expires_in_seconds: int | None, limits: KeyLimits
    ) -> Key:
        caller.check(Act.KEY_CREATE)
        if kind not in PREFIX:
            raise InvalidInput("A key's kind must be publishable or secret.")
        now = self.clock.now()
        expires_at = None if expires_in_seconds is None else now + timedelta(seconds=expires_in_seconds)
        row, key = _new_key(kind, checked_name(name, A_NAME), expires_at, now, checked_limits(kind, limits))
        if not await self.store.add(caller.project, row):
            raise self._no_room_for_a_key()
        return key

    async def update(self, caller: Caller, id: str, changes: KeyChanges) -> Key:
        caller.check(Act.KEY_UPDATE)
        name = None if changes.name is UNSET else checked_name(changes.name, A_NAME)

        def change(old: Key) -> Key:
            limits = changed_limits(old.kind, old.limits, changes)
            return msgspec.structs.replace(
                old,
                name=name or old.name,
                scopes=limits.scopes,
                origins=limits.origins,
                allow_browser=limits.allow_browser,
            )

        found = await self.store.update(caller.project, id, change, forget_at(self.clock))
        if found is None:
            raise ProjectKeyNotFound
        return found

    async def revoke(self, caller: Caller, id: str) -> None:
        caller.check(Act.KEY_DELETE)
        if not await self.store.delete(caller.project, id, forget_at(self.clock)):
            raise ProjectKeyNotFound

    async def rotate(self, caller: Caller, id: str, grace_seconds: int) -> Key:
        caller.check(Act.KEY_ROTATE)
        old = await self.store.find(caller.project, id)
        if old is None:
            raise ProjectKeyNotFound
        now = self.clock.now()
        row, key = _new_key(old.kind, old.name, old.expires_at, now, old.limits)
        old_expires_at, until = now + timedelta(seconds=grace_seconds), forget_at(self.clock) + grace_seconds
        if not await self.store.replace(caller.project, id, row, old_expires_at, until):
            raise self._no_room_for_a_key()
        return key

    async def holder(self, key: str) -> KeyHolder:
        found = await self.store.by_hash(fingerprint(key))
        if found is None:
            raise InvalidKey("The key in X-Bunbase-Key is unknown or was revoked. Check the key.")
        if found.expires_at is not None and found.expires_at <= self.clock.now():
            raise InvalidKey("This key has expired. Create or rotate a key in the project's settings.")
        if found.suspended:
            raise ProjectSuspended(SUSPENDED)
        expires_at = 0.0 if found.expires_at is None else found.expires_at.timestamp()
        limits = KeyLimits(found.scopes, found.origins, found.allow_browser)
        return KeyHolder(found.id, found.project, found.kind, expires_at, limits)

    def _no_room_for_a_key(self) -> InvalidInput:
        most = self.settings.max_keys_per_project
        return InvalidInput(f"The project has {most} keys and cannot have more. Revoke a key first.")


def new_keys(now: datetime) -> tuple[list[NewKey], tuple[Key, ...]]:
    """Return the first keys of a new project: the rows to store, and the keys that its owner sees once."""
    made = [_new_key(kind, "default", None, now) for kind in PREFIX]
    return [row for row, _ in made], tuple(key for _, key in made)


def _new_key(
    kind: CallerKind, name: str, expires_at: datetime | None, now: datetime, limits: KeyLimits = UNLIMITED
) -> tuple[NewKey, Key]:
    secret, id = new_secret(PREFIX[kind]), new_id("key")
    row = NewKey(id, kind, name, hint(secret), fingerprint(secret), now, expires_at, limits)
    key = Key(id, kind, name, hint(secret), now, expires_at, secret, *msgspec.structs.astuple(limits))
    return row, key
