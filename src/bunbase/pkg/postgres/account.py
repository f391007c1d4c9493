"""The operating-system user of PostgreSQL. This is never root."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bunbase.pkg.postgres.errors import PostgresUnavailable

UNPRIVILEGED: Final = ("postgres", "nobody")  # If BunBase runs as root, these users are tried in this order.


@dataclass(frozen=True)
class Account:
    """The user of PostgreSQL. `caller`: the user of BunBase."""

    name: str
    uid: int
    gid: int
    caller: str

    @property
    def drops_root(self) -> bool:
        return os.geteuid() == 0

    @property
    def become(self) -> dict[str, Any]:
        """Return the arguments with which `subprocess` runs a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": ()} if self.drops_root else {}

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Act as this user until the end of the block.

        Only root can call this, and only in a process with one thread.
        """
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def can_enter(self, directory: Path) -> bool:
        """True if this user may pass through a directory and all directories above it."""
        return all(self._may_pass(one) for one in (directory, *directory.parents))

    def _may_pass(self, directory: Path) -> bool:
        status = directory.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        if status.st_gid == self.gid:
            return bool(status.st_mode & 0o010)
        return bool(status.st_mode & 0o001)


def account_for(data: Path) -> Account:
    """Return the user of this process. For root, return the owner of existing data, or else an unprivileged user.

    Raises: PostgresUnavailable if there is no such user.
    """
    caller = _by_id(os.geteuid())
    if caller.pw_uid != 0:
        return _account(caller, caller)
    if data.exists() and (owner := data.stat().st_uid) != 0:
        return _account(_by_id(owner), caller)
    for name in UNPRIVILEGED:
        try:
            return _account(pwd.getpwnam(name), caller)
        except KeyError:
            continue
    raise PostgresUnavailable(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(UNPRIVILEGED)}: "
        "add one, or set DATABASE_URL"
    )


def _by_id(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise PostgresUnavailable(
            f"PostgreSQL needs an entry for user id {uid} in /etc/passwd: add one, or set DATABASE_URL"
        ) from None


def _account(user: pwd.struct_passwd, caller: pwd.struct_passwd) -> Account:
    return Account(user.pw_name, user.pw_uid, user.pw_gid, caller.pw_name)
