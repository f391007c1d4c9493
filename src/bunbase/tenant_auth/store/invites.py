"""The open invitations of projects in PostgreSQL. Each invitation is the link of a mail (`mail_tokens`)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

# The SQL text contains the kind, because PostgreSQL then uses the index of invitations.
PAGE: Final = """
SELECT hash, email, name, expires_at FROM mail_tokens
WHERE project = $1 AND kind = 'invite' AND expires_at > $2 AND (expires_at, hash) < ($3, $4)
    AND NOT EXISTS (SELECT FROM mail_tokens AS newer
        WHERE newer.project = $1 AND newer.email = mail_tokens.email AND newer.kind = 'invite'
            AND (newer.expires_at, newer.hash) > (mail_tokens.expires_at, mail_tokens.hash))
ORDER BY expires_at DESC, hash DESC LIMIT $5"""
DELETE: Final = """
DELETE FROM mail_tokens
WHERE project = $1 AND kind = 'invite' AND hash BETWEEN $2 AND $3 AND expires_at > $4 RETURNING email"""
# $3 is the hash of the newest link. The oldest link is in the mail, because each posted mail ends all earlier links.
END_EARLIER: Final = "DELETE FROM mail_tokens WHERE project = $1 AND email = $2 AND kind = 'invite' AND hash <> $3"
KEEP_MAILED: Final = """
DELETE FROM mail_tokens WHERE project = $1 AND email = $2 AND kind = 'invite' AND hash <> $3 AND hash <> (
    SELECT hash FROM mail_tokens WHERE project = $1 AND email = $2 AND kind = 'invite' AND hash <> $3
    ORDER BY expires_at, hash LIMIT 1)"""
CHANGE_EARLIER: Final = """
UPDATE mail_tokens SET name = $4 WHERE project = $1 AND email = $2 AND kind = 'invite' AND hash <> $3"""
END_ALL: Final = "DELETE FROM mail_tokens WHERE project = $1 AND email = $2 AND kind = 'invite'"
PREFIX: Final = "uin_"
ID_BYTES: Final = 16  # The id has this length, and is a part of the hash. The hash is not secret.
HASH_BYTES: Final = 32


class OpenInvite(msgspec.Struct, frozen=True):
    """An invitation. `name`: JSON with the role and the data of the user that the link creates."""

    hash: bytes
    email: str
    name: str
    expires_at: datetime

    @property
    def id(self) -> str:
        return invite_id(self.hash)


class UserInviteStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def page(self, project: str, now: datetime, before: tuple[datetime, bytes], limit: int) -> list[OpenInvite]:
        """Return open invitations, newest first, that come after the position `before`: a time and a hash.

        Invitations with the same time are ordered by their hash. An invitation with two links (`keep_mailed`) appears
        once.
        """
        return await self.db.all(OpenInvite, PAGE, project, now, *before, limit)

    async def end_earlier(self, project: str, email: str, hash: bytes) -> None:
        """Delete the invitations of an address, except the invitation with this hash."""
        await self.db.execute(END_EARLIER, project, email, hash)

    async def keep_mailed(self, project: str, email: str, hash: bytes, kept: str) -> None:
        """Delete the invitations of an address, except the invitation with this hash and the one in the earlier mail.

        The invitation in the earlier mail then creates a user with the values of `kept`.
        """
        await self.db.execute(KEEP_MAILED, project, email, hash)
        await self.db.execute(CHANGE_EARLIER, project, email, hash, kept)

    async def end_all(self, project: str, email: str) -> None:
        """Delete the invitations of an address that has a user now."""
        await self.db.execute(END_ALL, project, email)

    async def delete(self, project: str, id: str, now: datetime) -> bool:
        """Delete an invitation with its links. Return False if the project has no such open invitation."""
        try:
            first = bytes.fromhex(id.removeprefix(PREFIX))
        except ValueError:
            return False
        if len(first) != ID_BYTES or not id.startswith(PREFIX):
            return False
        last = first + b"\xff" * (HASH_BYTES - ID_BYTES)
        async with self.db.transaction():
            email: str | None = await self.db.value(DELETE, project, first, last, now)
            if email is None:
                return False
            await self.end_all(project, email)
            return True


def invite_id(hash: bytes) -> str:
    """Return the id of an invitation, which is the beginning of the hash of its link."""
    return PREFIX + hash[:ID_BYTES].hex()
