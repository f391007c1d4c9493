"""Import users with the hashes of their passwords, and export them.

The life of one batch of an import:

    1. All lines are read and checked in a thread (`import_lines.py`).
    2. One transaction reads the existing users, decides about each line (`import_plan.py`), and adds all new users
       together. After a crash, either the whole batch or nothing of it is stored. A second import of the same file
       skips the stored users.
    3. If a sign-up has taken one of the addresses meanwhile, the transaction is rolled back, and the batch is decided
       again. After some tries, the lines are added one by one. In this way, only the line with the conflict is refused.
    4. Afterwards, known users that the file changes are changed one by one, like in any other change of users.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.problems import TooManyUsers, UserExists
from bunbase.contracts.tenant_auth.transfers import (
    MAX_IMPORT_LINES,
    MAX_LINE_IDENTITIES,
    ImportChoices,
    ImportedUsers,
    LineIdentity,
    OnConflict,
    UserLine,
)
from bunbase.pkg.api_json import api_json
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.identity.problems import IdentityTaken
from bunbase.pkg.identity.store.identities import NewIdentity, OwnedIdentity
from bunbase.pkg.ids import new_id
from bunbase.pkg.ndjson import ExportPart, ImportLine, RefusedLine
from bunbase.tenant_auth.import_lines import ReadUser, read_user
from bunbase.tenant_auth.import_plan import Plan, Planned, planned
from bunbase.tenant_auth.imported_people import line_of, new_person, same, with_ban_of, with_line
from bunbase.tenant_auth.journal import Actor, Event, administrator
from bunbase.tenant_auth.people import Person, credential_changes, existing
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.callers import managed_project
from bunbase.tenant_auth.service.open_session import OpenSession

PAGE: Final = 500  # One statement of an export reads at most this many users.
PART: Final = 50  # One message has at most this many users, and therefore at most 1 MiB.
TRIES: Final = 5  # A batch is tried at most this often if sign-ups take its addresses meanwhile.
# One process runs at most this many batches, for all projects. Each batch holds one of the ten connections.
AT_ONCE: Final = 2


class Import(msgspec.Struct, frozen=True):
    """How lines are imported. `restores`: if a line changes a known user, the user is signed out, and any ban stays."""

    choices: ImportChoices
    restores: bool = False


RESTORING: Final = Import(ImportChoices(OnConflict.UPDATE), restores=True)


class _Overtaken(Exception):
    """Another request has taken an address, a phone or an identity of a line meanwhile."""


class Transfers:
    def __init__(self, opening: OpenSession, places: Places) -> None:
        self.stores = opening.stores
        self.pools = opening.pools
        self.places = places
        self.access = opening.tokens.access
        self.clock = opening.tokens.clock
        self.journal = opening.journal
        # Imports that wait hold a reference to their lock.
        self.importing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.turns = asyncio.Semaphore(AT_ONCE)

    async def import_users(
        self, caller: Caller, choices: ImportChoices, lines: tuple[ImportLine, ...]
    ) -> ImportedUsers:
        """Import a batch of users. Raises: Forbidden, TooManyUsers, InvalidInput, KeyDestroyed, Unreachable."""
        return await self._imported(managed_project(caller, Act.USER_IMPORT), caller, Import(choices), lines)

    async def _imported(
        self, project: str, caller: Caller, how: Import, lines: tuple[ImportLine, ...]
    ) -> ImportedUsers:
        if len(lines) > MAX_IMPORT_LINES:
            raise InvalidInput.at("/lines", f"One call can import at most {MAX_IMPORT_LINES} lines.")
        if not lines:
            return ImportedUsers()
        read = await asyncio.to_thread(lambda: [read_user(line, self.clock.now()) for line in lines])
        pool = await self.pools.of(project)
        alone = self.importing.setdefault(project, asyncio.Lock())
        async with alone, self.turns:
            # A project whose key was destroyed must not get other users.
            await self.access.check_key(project)
            actor = administrator(caller)
            plan = await self._added(pool, read, how.choices, actor)
            updated = await self._updated(pool, plan, how, actor)
        errors = tuple(
            RefusedLine(at, one.code, one.detail) for at, one in sorted(plan.refused, key=lambda one: one[0])
        )
        return ImportedUsers(len(plan.new), updated, plan.skipped, len(errors), lines[-1].number, errors)

    async def export_users(self, caller: Caller, hashes: bool, after: str) -> AsyncIterator[ExportPart]:
        """Yield the lines of an export. Raises: Forbidden, InsufficientScope."""
        project = managed_project(caller, Act.USER_EXPORT)
        if hashes:
            managed_project(caller, Act.USER_EXPORT_HASHES)
        async for part in self._exported(project, hashes, after):
            yield part

    def copied_users(self, project: str, after: str) -> AsyncIterator[ExportPart]:
        return self._exported(project, True, after)

    async def restore_users(self, caller: Caller, lines: tuple[ImportLine, ...]) -> ImportedUsers:
        """Restore users from a backup. Raises: Forbidden, TooManyUsers, InvalidInput, KeyDestroyed, Unreachable."""
        return await self._imported(managed_project(caller, Act.BACKUP_RESTORE_USERS), caller, RESTORING, lines)

    async def _exported(self, project: str, hashes: bool, after: str) -> AsyncIterator[ExportPart]:
        pool = await self.pools.of(project)
        while page := await self.stores.transfers.page(project, after, PAGE):
            linked = await pool.stores.identities.of_accounts([one.id for one in page])
            of = {id: tuple(found) for id, found in groupby(linked, lambda one: one.user_id)}
            for start in range(0, len(page), PART):
                part = page[start : start + PART]
                now = self.clock.now()
                yield ExportPart(b"".join([_line(person, of.get(person.id, ()), hashes, now) for person in part]))
            after = page[-1].id

    async def _added(self, pool: Pool, read: Sequence[ReadUser], choices: ImportChoices, actor: Actor) -> Plan:
        """Decide about the lines, and add the new users. Raises: TooManyUsers."""
        for _ in range(TRIES):
            try:
                return await self._tried(pool, read, choices, actor)
            except _Overtaken:
                continue
            except TooManyUsers:
                self.places.count_again(pool.project)  # The places that the batch has reserved are free again.
                raise
        return await self._one_by_one(pool, read, choices, actor)

    async def _one_by_one(self, pool: Pool, read: Sequence[ReadUser], choices: ImportChoices, actor: Actor) -> Plan:
        """Decide about the lines and add the users one by one. Raises: TooManyUsers."""
        whole = Plan()
        for one in read:
            try:
                plan = await self._tried(pool, [one], choices, actor)
            except _Overtaken:
                taken = UserExists("Another user has the id, the address, the number or an identity of the line.")
                plan = Plan(refused=[(one.number, taken)])
            whole.add(plan)
        return whole

    async def _tried(self, pool: Pool, read: Sequence[ReadUser], choices: ImportChoices, actor: Actor) -> Plan:
        """Try to add the users of a batch. Raises: _Overtaken, TooManyUsers."""
        async with AsyncExitStack() as reserved:
            async with self.stores.db.transaction():
                await self.stores.transfers.import_alone(pool.project)
                plan = await self._plan(pool, read, choices)
                if choices.dry_run or not plan.new:
                    return plan
                for _ in plan.new:
                    await reserved.enter_async_context(self.places.reserve(pool.project))
                await self._add(pool, plan.new)
                await self.journal.add_imported(pool.project, [one.id for one in plan.new], actor)
            return plan

    async def _plan(self, pool: Pool, read: Sequence[ReadUser], choices: ImportChoices) -> Plan:
        lines = [one.user for one in read if isinstance(one.user, UserLine)]
        known = await self.stores.transfers.known(pool.project, lines)
        persons = [(one.provider, one.subject) for line in lines for one in line.identities]
        for found in await pool.stores.identities.owners(persons) if persons else ():
            known.subjects[found.provider, found.subject] = found.user_id
            known.ids.add(found.user_id)
        return planned(read, known, choices.on_conflict)

    async def _add(self, pool: Pool, new: Sequence[Planned]) -> None:
        """Add users in one transaction. Raises: _Overtaken."""
        now = self.clock.now()
        added = await self.stores.transfers.add(pool.project, [new_person(one.id, one.line, now) for one in new])
        linked = [(one.id, _identity(identity)) for one in new for identity in one.line.identities]
        if not added or not await pool.stores.identities.add_many(linked, now):
            raise _Overtaken

    async def _updated(self, pool: Pool, plan: Plan, how: Import, actor: Actor) -> int:
        """Change the known users. Return the number of changed users.

        Users that already have the fields of their lines are not changed.
        """
        updated = 0
        for one in plan.known:
            try:
                changed = await self._update(pool, one, how, actor)
            except Problem as problem:
                plan.refused.append((one.number, problem))
                continue
            updated += changed
            plan.skipped += not changed
        return updated

    async def _update(self, pool: Pool, one: Planned, how: Import, actor: Actor) -> bool:
        """Change a user. Return False if the user already has the fields and identities of the line.

        Raises: UserNotFound, EmailTaken, IdentityTaken.
        """
        until, now = await self.pools.revoked_until(), self.clock.now()
        dry_run = how.choices.dry_run
        async with self.stores.db.transaction():
            before = existing(await self.stores.users.locked(pool.project, one.id))
            line = with_ban_of(before, one.line, now) if how.restores else one.line
            alter = partial(with_line, line=line, now=now, ends_sessions=how.restores)
            changes = not same(before, with_line(before, line, now).person)
            known = {(has.provider, has.subject) for has in await pool.stores.identities.of_accounts([one.id])}
            new = [identity for identity in one.line.identities if (identity.provider, identity.subject) not in known]
            if changes and not dry_run:
                after = existing(await self.stores.users.change(pool.project, one.id, alter, now, until))
                for act in credential_changes(before, after, now):
                    await self.journal.add(pool.project, one.id, Event(act, "import"), actor)
            for identity in new if not dry_run else ():
                if not await pool.stores.identities.add(one.id, _identity(identity), now, MAX_LINE_IDENTITIES):
                    raise IdentityTaken(
                        f"Another user has this identity, or the user has {MAX_LINE_IDENTITIES} of them."
                    )
                linked = Event(UserAct.IDENTITY_LINK, "import", identity.provider)
                await self.journal.add(pool.project, one.id, linked, actor)
            return changes or bool(new)


def _line(person: Person, linked: Sequence[OwnedIdentity], hashes: bool, now: datetime) -> bytes:
    identities = tuple(LineIdentity(one.provider, one.subject, one.email) for one in linked)
    return api_json(line_of(person, identities, hashes, now)) + b"\n"


def _identity(line: LineIdentity) -> NewIdentity:
    return NewIdentity(new_id("idn"), line.provider, line.subject, line.email)
