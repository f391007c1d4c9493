"""The users of one import or export in PostgreSQL: many rows in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.transfers import UserLine
from bunbase.pkg.db.database import Database
from bunbase.tenant_auth.import_plan import Known
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.store.users import Row

KNOWN_USERS: Final = """
SELECT id, email, phone FROM users
WHERE project = $1 AND (id = ANY ($2::text[]) OR email = ANY ($3::text[]) OR phone = ANY ($4::text[]))"""
ADD_USERS: Final = """
INSERT INTO users (project, id, email, email_verified, password_hash, role, claims, data, created_at, name, phone,
    phone_verified, anonymous, banned_at, banned_until, last_sign_in_at, password_changed_at, version, language)
SELECT $1, id, email, email_verified, password_hash, role, claims::json, data::json, created_at, name, phone,
    phone_verified, anonymous, banned_at, banned_until, last_sign_in_at, password_changed_at, version, language
FROM unnest($2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
    $10::text[], $11::text[], $12::boolean[], $13::boolean[], $14::timestamptz[], $15::timestamptz[],
    $16::timestamptz[], $17::timestamptz[], $18::integer[], $19::text[])
    AS new (id, email, email_verified, password_hash, role, claims, data, created_at, name, phone, phone_verified,
        anonymous, banned_at, banned_until, last_sign_in_at, password_changed_at, version, language)
ON CONFLICT DO NOTHING"""
PAGE: Final = """
SELECT id, email, email_verified, role, claims, data, created_at, name, phone, phone_verified, anonymous, language,
    password_hash, banned_at, version, banned_until, last_sign_in_at, password_changed_at
FROM users WHERE project = $1 AND id > $2 ORDER BY id LIMIT $3"""
# Only one import of a project runs at a time: two imports that add the same users in different orders could deadlock.
ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('user import ' || $1, 0))"


class _Taken(msgspec.Struct, frozen=True):
    id: str
    email: str | None
    phone: str | None


class TransferStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def import_alone(self, project: str) -> None:
        """Wait until no other transaction imports users of the project. Call this first in the transaction."""
        await self.db.execute(ALONE, project)

    async def known(self, project: str, lines: Sequence[UserLine]) -> Known:
        """Return the values of these lines that existing users have, except identities."""
        ids = [line.id for line in lines if line.id]
        emails = [line.email for line in lines if line.email]
        phones = [line.phone for line in lines if line.phone]
        taken = await self.db.all(_Taken, KNOWN_USERS, project, ids, emails, phones)
        return Known(
            {one.id for one in taken},
            {one.email: one.id for one in taken if one.email},
            {one.phone: one.id for one in taken if one.phone},
            {},
        )

    async def add(self, project: str, people: Sequence[Person]) -> bool:
        """Add users. Return False if some of them could not be added, because another request was faster."""
        if not people:
            return True
        added = await self.db.execute(ADD_USERS, project, *zip(*map(_columns, people), strict=True))
        return added == len(people)

    async def page(self, project: str, after: str, limit: int) -> list[Person]:
        """Return the users with ids greater than `after`, ordered by id."""
        return [row.person() for row in await self.db.all(Row, PAGE, project, after, limit)]


def _columns(person: Person) -> tuple[str | bool | int | datetime | None, ...]:
    user = person.user
    shown = (user.id, user.email, user.email_verified, person.password_hash, user.role)
    json = (msgspec.json.encode(user.claims).decode(), msgspec.json.encode(user.data).decode())
    also = (user.created_at, user.name, user.phone, user.phone_verified, user.anonymous)
    times = (person.banned_at, person.banned_until, person.last_sign_in_at, person.password_changed_at)
    return (*shown, *json, *also, *times, person.version, user.language)
