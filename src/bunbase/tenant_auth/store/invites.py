"""The open invitations of projects in PostgreSQL. Each is the link of a mail (`mail_tokens`)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

# the kind is a part of the text, because PostgreSQL then uses the index of invitations
PAGE: Final = """
SELECT hash, email, name, expires_at FROM mail_tokens
WHERE project = $1 AND kind = 'invite' AND expires_at > $2 AND (expires_at, hash) < ($3, $4)
ORDER BY expires_at DESC, hash DESC LIMIT $5"""
DELETE: Final = """
DELETE FROM mail_tokens
WHERE project = $1 AND kind = 'invite' AND hash BETWEEN $2 AND $3 AND expires_at > $4 RETURNING email"""
PREFIX: Final = "uin_"
ID_BYTES: Final = 16  # of the hash, which is no secret: nobody can make the link of it
HASH_BYTES: Final = 32


class OpenInvite(msgspec.Struct, frozen=True):
    """`name`: JSON with the role and the data of the user that the link creates."""

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
        """Return open invitations, newest first: those that expire before a time, or at that time by their hash."""
        return await self.db.all(OpenInvite, PAGE, project, now, *before, limit)

    async def delete(self, project: str, id: str, now: datetime) -> bool:
        """Delete an invitation with its link. Return False if the project has no such open invitation."""
        try:
            first = bytes.fromhex(id.removeprefix(PREFIX))
        except ValueError:
            return False
        if len(first) != ID_BYTES or not id.startswith(PREFIX):
            return False
        last = first + b"\xff" * (HASH_BYTES - ID_BYTES)
        return bool(await self.db.value(DELETE, project, first, last, now))


def invite_id(hash: bytes) -> str:
    """Return the id of an invitation: the beginning of the hash of its link."""
    return PREFIX + hash[:ID_BYTES].hex()
