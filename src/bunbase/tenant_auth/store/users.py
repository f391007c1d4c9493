"""Users in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.revocations import Revocation, RevokedKind, user_version
from bunbase.contracts.tenant_auth.problems import PhoneTaken
from bunbase.contracts.tenant_auth.users import User, UserFilter
from bunbase.pkg.db.connecting import NotUnique
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.tenant_auth.people import Change, Person
from bunbase.tenant_auth.store.password_history import PasswordHistory
from bunbase.tenant_auth.store.sessions import SessionStore
from bunbase.tenant_auth.store.user_search import search

COUNT_USERS = "SELECT count(*) FROM users WHERE project = $1"
ADD_USER = """
INSERT INTO users (project, id, email, email_verified, password_hash, role, claims, data, created_at, name, phone,
    phone_verified, anonymous, language)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING"""
USERS = """
SELECT id, email, email_verified, role, claims, data, created_at, name, phone, phone_verified, anonymous,
    language, password_hash, banned_at, version, banned_until, last_sign_in_at, password_changed_at
FROM users WHERE project = $1"""
BY_ID = f"{USERS} AND id = $2"
BY_EMAIL = f"{USERS} AND email = $2"
BY_PHONE = f"{USERS} AND phone = $2"
TO_CHANGE = f"{BY_ID} FOR UPDATE"
CHANGE = """
UPDATE users SET email = $3, email_verified = $4, password_hash = $5, role = $6, claims = $7, data = $8,
    banned_at = $9, version = $10, name = $11, phone = $12, phone_verified = $13, anonymous = $14,
    banned_until = $15, last_sign_in_at = $16, password_changed_at = $17, language = $18
WHERE project = $1 AND id = $2"""
UPDATE_OWN = """
UPDATE users SET data = coalesce($3, data), language = coalesce($4, language), name = coalesce($5, name)
WHERE project = $1 AND id = $2
RETURNING id, email, email_verified, role, claims, data, created_at, name, phone, phone_verified, anonymous, language"""
UPGRADE_HASH = "UPDATE users SET password_hash = $4 WHERE project = $1 AND id = $2 AND password_hash = $3"
DELETE_USER = "DELETE FROM users WHERE project = $1 AND id = $2 RETURNING version"

Alter = Callable[[Person], Change]


class Row(User, frozen=True, kw_only=True):
    """A row of the table, with all columns of a user."""

    password_hash: str | None
    banned_at: datetime | None
    version: int
    banned_until: datetime | None
    last_sign_in_at: datetime | None
    password_changed_at: datetime | None

    def person(self) -> Person:
        user = User(**{field: getattr(self, field) for field in User.__struct_fields__})
        kept = {field: getattr(self, field) for field in Person.__struct_fields__ if field != "user"}
        return Person(user, **kept)


class UserStore:
    """Users of all projects. If a change ends access tokens, the same transaction publishes this to all processes.

    `until`: the Unix time, in seconds, at which every access token from before the change has expired.
    """

    def __init__(self, db: Database, feed: Feed[Revocation], sessions: SessionStore) -> None:
        self.db = db
        self.feed = feed
        self.sessions = sessions
        self.history = PasswordHistory(db)

    async def count(self, project: str) -> int:
        return int(await self.db.value(COUNT_USERS, project))

    async def add(self, project: str, new: Person) -> None:
        """Add a user. Raises: EmailTaken, PhoneTaken."""
        user = new.user
        args = (user.id, user.email, user.email_verified, new.password_hash, user.role, user.claims, user.data)
        also = (user.created_at, user.name, user.phone, user.phone_verified, user.anonymous, user.language)
        if not await self.db.execute(ADD_USER, project, *args, *also):
            if user.phone is not None and await self.by_phone(project, user.phone) is not None:
                raise PhoneTaken("Sign in instead, or use another phone number.")
            raise EmailTaken("Sign in instead, or use another address.")

    async def by_id(self, project: str, id: str) -> Person | None:
        return _person(await self.db.one(Row, BY_ID, project, id))

    async def by_email(self, project: str, email: str) -> Person | None:
        return _person(await self.db.one(Row, BY_EMAIL, project, email))

    async def by_phone(self, project: str, phone: str) -> Person | None:
        return _person(await self.db.one(Row, BY_PHONE, project, phone))

    async def page(self, project: str, only: UserFilter, after: str, limit: int, now: datetime) -> list[Person]:
        """Return the users after the last user of the previous page (`user_search.search`)."""
        rest, args = search(only, after, limit, now)
        return [row.person() for row in await self.db.all(Row, USERS + rest, project, *args)]

    async def locked(self, project: str, id: str) -> Person | None:
        """Return the user, and lock the user until the transaction ends."""
        return _person(await self.db.one(Row, TO_CHANGE, project, id))

    async def change(self, project: str, id: str, alter: Alter, now: datetime, until: float) -> Person | None:
        """Change a user with the pure function `alter`. Return None if the user does not exist.

        Raises: EmailTaken, PhoneTaken.
        """
        try:
            async with self.db.transaction():
                person = await self.locked(project, id)
                return None if person is None else await self._change(project, person, alter, now, until)
        except NotUnique as error:
            if "users_phone" in str(error):
                raise PhoneTaken("Another user has this phone number.") from None
            raise EmailTaken("Another user has this address.") from None

    async def update_own(
        self, project: str, id: str, data: dict[str, Any] | None, language: str | None, name: str | None
    ) -> User | None:
        """Change the fields that users change themselves. None leaves a field unchanged.

        Return None if the user does not exist.
        """
        return await self.db.one(User, UPDATE_OWN, project, id, data, language, name)

    async def upgrade_hash(self, project: str, id: str, old: str, new: str) -> None:
        """Replace the hash of a password with another hash of the same password, unless the password has changed."""
        await self.db.execute(UPGRADE_HASH, project, id, old, new)

    async def delete(self, project: str, id: str, until: float) -> bool:
        """Delete a user with all sessions and tokens. Return False if the user does not exist."""
        async with self.db.transaction():
            version = await self.db.value(DELETE_USER, project, id)
            if version is None:
                return False
            await self.feed.publish(RevokedKind.USER, user_version(project, id, version), until)
            return True

    async def _change(self, project: str, before: Person, alter: Alter, now: datetime, until: float) -> Person:
        change = alter(before)
        after, user = change.person, change.person.user
        shown = (user.email, user.email_verified, after.password_hash, user.role, user.claims, user.data)
        who = (user.name, user.phone, user.phone_verified, user.anonymous)
        times = (after.banned_until, after.last_sign_in_at, after.password_changed_at)
        await self.db.execute(
            CHANGE, project, user.id, *shown, after.banned_at, after.version, *who, *times, user.language
        )
        if after.version != before.version:
            await self.feed.publish(RevokedKind.USER, user_version(project, user.id, before.version), until)
        if before.password_hash is not None and after.password_hash != before.password_hash:
            await self.history.keep(project, user.id, before.password_hash, now)
        if change.ends_sessions:
            await self.sessions.end_all(project, user.id, now)
        return after


def _person(row: Row | None) -> Person | None:
    return None if row is None else row.person()
