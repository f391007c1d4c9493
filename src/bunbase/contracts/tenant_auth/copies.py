"""The users of a project in a backup: Bundoc reads all of them, and puts them back when a backup is restored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.transfers import ImportedUsers
from bunbase.pkg.ndjson import ExportPart, ImportLine


class UserCopies(Protocol):
    """The interface for Bundoc, which checks who may make and restore backups."""

    def copied_users(self, project: str, after: str) -> AsyncIterator[ExportPart]:
        """Yield the users whose id sorts after `after`, as UserLines with hashes of passwords, ordered by id.

        Each user has the state at the time when its page was read.
        """
        ...

    async def restore_users(self, caller: Caller, lines: tuple[ImportLine, ...]) -> ImportedUsers:
        """Put the user in each line back into the caller's project, at most MAX_IMPORT_LINES in one call.

        A user that was deleted is created again. If a field of an existing user differs, the user gets the fields of
        the line and is signed out everywhere. A ban stays, and so does a password that was set later than the password
        of the line. No user is deleted. `caller` must be allowed to restore backups with users. Raises: Forbidden,
        TooManyUsers, InvalidInput.
        """
        ...
