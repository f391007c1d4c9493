"""SQL of invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from bunbase.contracts.caller import Role
from bunbase.contracts.platform import Invite
from bunbase.pkg.db.database import Database
from bunbase.platform.store.groups import Group, GroupKind

# $1 project or organisation; {kind} is the name of its column
OPEN: Final = "{kind} = $1 AND accepted_by IS NULL AND expires_at > $2"
COLUMNS: Final = "SELECT id, email, role, created_at, expires_at, invited_by FROM invites"
ADD = """
INSERT INTO invites ({kind}, id, email, role, hash, mail_hash, invited_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""
EARLIER = f"SELECT role, mail_hash FROM invites WHERE {OPEN} AND email = $3"
END_EARLIER = "DELETE FROM invites WHERE {kind} = $1 AND email = $2 AND accepted_by IS NULL"
COUNT = f"SELECT count(*) FROM invites WHERE {OPEN}"
LIST = f"{COLUMNS} WHERE {OPEN} AND ($3 = '' OR id < $3) ORDER BY id DESC LIMIT $4"
FIND = f"{COLUMNS} WHERE {OPEN} AND id = $3"
RENEW = f"UPDATE invites SET hash = $4, mail_hash = $5, invited_by = $6, expires_at = $7 WHERE {OPEN} AND id = $3"
RENEW_MAIL = f"UPDATE invites SET mail_hash = $4 WHERE {OPEN} AND id = $3"
DELETE = f"DELETE FROM invites WHERE {OPEN} AND id = $3"
BY_HASH = """
SELECT id, coalesce(project, org) AS group_id, CASE WHEN project IS NULL THEN 'org' ELSE 'project' END AS kind, role,
    email, invited_by, accepted_by, created_at, expires_at, hash <> $1 AS mailed
FROM invites WHERE hash = $1 OR mail_hash = $1"""
ACCEPT = "UPDATE invites SET accepted_by = $2 WHERE id = $1"
COUNT_SENT = """
INSERT INTO invites_sent (sender, hour, count) VALUES ($1, date_trunc('hour', $2::timestamptz), 1)
ON CONFLICT (sender, hour) DO UPDATE SET count = invites_sent.count + 1 RETURNING count"""
DELETE_EXPIRED: Final = (
    "DELETE FROM invites WHERE id IN (SELECT id FROM invites WHERE expires_at < $1 LIMIT $2)",
    """
DELETE FROM invites_sent WHERE (sender, hour) IN (SELECT sender, hour FROM invites_sent WHERE hour < $1 LIMIT $2)""",
)


class Hashes(NamedTuple):
    """The SHA-256 of the two tokens of an invitation: the token in the link that the inviter passes on, and the token
    in the link of the mail.
    """

    shown: bytes
    mailed: bytes


class EarlierInvite(msgspec.Struct, frozen=True):
    """The open invitation of an address, which a new invitation ends. `mail_hash`: the hash of the token in its
    mail.
    """

    role: Role
    mail_hash: bytes | None


class NewInvite(msgspec.Struct, frozen=True):
    """An invitation to store."""

    id: str
    email: str
    role: Role
    hashes: Hashes
    invited_by: str
    created_at: datetime
    expires_at: datetime


class SentInvite(msgspec.Struct, frozen=True):
    """The invitation of a token.

    `accepted_by`: the account that used the token, or None. `mailed`: true if the token is from the link in the mail,
    so that its holder reads the mailbox.
    """

    id: str
    group_id: str
    kind: GroupKind
    role: Role
    email: str
    invited_by: str
    accepted_by: str | None
    created_at: datetime
    expires_at: datetime
    mailed: bool

    @property
    def group(self) -> Group:
        return Group(self.kind, self.group_id)


class InviteStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, group: Group, new: NewInvite) -> None:
        """Add an invitation. An earlier invitation of the same address ends."""
        async with self.db.transaction():
            await self.db.execute(_sql(END_EARLIER, group), group.id, new.email)
            args = (new.id, new.email, new.role, *new.hashes, new.invited_by, new.created_at, new.expires_at)
            await self.db.execute(_sql(ADD, group), group.id, *args)

    async def earlier(self, group: Group, email: str, now: datetime) -> EarlierInvite | None:
        """Return the open invitation of an address, which `add` would end."""
        return await self.db.one(EarlierInvite, _sql(EARLIER, group), group.id, now, email)

    async def count(self, group: Group, now: datetime) -> int:
        found: int = await self.db.value(_sql(COUNT, group), group.id, now)
        return found

    async def of(self, group: Group, now: datetime, limit: int, after: str) -> list[Invite]:
        return await self.db.all(Invite, _sql(LIST, group), group.id, now, after, limit)

    async def find(self, group: Group, id: str, now: datetime) -> Invite | None:
        return await self.db.one(Invite, _sql(FIND, group), group.id, now, id)

    async def renew(
        self, group: Group, id: str, hashes: Hashes, invited_by: str, now: datetime, expires_at: datetime
    ) -> None:
        """Replace both tokens of an open invitation."""
        await self.db.execute(_sql(RENEW, group), group.id, now, id, *hashes, invited_by, expires_at)

    async def renew_mail(self, group: Group, id: str, hash: bytes, now: datetime) -> None:
        """Replace the token of the link in the mail."""
        await self.db.execute(_sql(RENEW_MAIL, group), group.id, now, id, hash)

    async def delete(self, group: Group, id: str, now: datetime) -> None:
        await self.db.execute(_sql(DELETE, group), group.id, now, id)

    async def by_hash(self, hash: bytes) -> SentInvite | None:
        return await self.db.one(SentInvite, BY_HASH, hash)

    async def accept(self, id: str, developer: str) -> None:
        await self.db.execute(ACCEPT, id, developer)

    async def count_sent(self, sender: str, now: datetime) -> int:
        """Count one more mail of a project, an organisation, an account or an invitation; return its number in this
        hour.
        """
        found: int = await self.db.value(COUNT_SENT, sender, now)
        return found

    async def delete_expired(self, before: datetime) -> None:
        for statement in DELETE_EXPIRED:
            await self.db.delete_in_batches(statement, before)


def _sql(statement: str, group: Group) -> str:
    return statement.format(kind=group.kind.value)
