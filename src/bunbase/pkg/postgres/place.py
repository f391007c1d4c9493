"""The places of a cluster's files.

    <home>/data              created by initdb, written by PostgreSQL
    <home>/socket            the socket, unless its path would be too long for the kernel
    <home>/postgres.lock     held by every process of the server (earlier.py)
    <home>/holder.lock       held by the BunBase that started it, if the home is outside its data directory
    <home>/postgresql.conf   written by BunBase at each start, like pg_hba.conf and pg_ident.conf
    <home>/postgres.log

If BunBase runs as root, everything except data and socket belongs to root: root must never write into a directory where
another user could place a link.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bunbase.pkg.file_lock import Held, hold_file
from bunbase.pkg.ids import new_id
from bunbase.pkg.postgres.account import Account, account_for
from bunbase.pkg.postgres.errors import PostgresUnavailable
from bunbase.pkg.secret_files import replace_secret_file

SHARED: Final = Path("/var/lib/bunbase")
NOTE: Final = "moved.txt"
OWNER: Final = "belongs-to.txt"
SOCKET: Final = "socket"
HOLDER: Final = "holder.lock"
# The parent of temporary directories for sockets, and the beginning of their names: short, so that a socket's path
# fits.
TEMPORARY: Final = (Path("/tmp"), "bunbase-")  # noqa: S108  mkdtemp makes them, with names that cannot be guessed
MAX_SOCKET_DIRECTORY: Final = 85  # bytes; sockaddr_un holds 108, and `/.s.PGSQL.5432.lock` must fit too


@dataclass(frozen=True)
class Place:
    home: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def draft(self) -> Path:
        """The directory in which `initdb` works until the data is complete."""
        return self.home / "data.new"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"


def place_for(data_dir: Path, shared: Path = SHARED) -> Place:
    """Return the cluster's place: in `data_dir`, or below `shared` if PostgreSQL's user cannot enter `data_dir`.

    Raises: PostgresUnavailable.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    data_dir = data_dir.resolve()
    account = account_for(data_dir / "data")
    if not account.drops_root:
        return Place(data_dir, account)
    if (data_dir / NOTE).exists():
        home = _noted(data_dir)
        return Place(home, account_for(home / "data"))
    if account.can_enter(data_dir.parent):
        return Place(_opened_to(account, data_dir), account)
    if (data_dir / "data").exists():
        raise PostgresUnavailable(
            f"the data in {data_dir} belong to {account.name}, who may no longer enter {data_dir.parent}: "
            "let that user in, or move the data directory"
        )
    return Place(_moved(data_dir, account, shared), account)


def hold_home(home: Path, data_dir: Path) -> int:
    """Lock a home outside the data directory. Return the descriptor, or -1 if the data directory's own lock is enough.

    The lock of the data directory is not enough if two directories lead to the same home. That happens if a directory
    is copied and then renamed while its server runs: the copy would take that server for a leftover, and end it.
    Raises: PostgresUnavailable.
    """
    if home == data_dir.resolve():
        return -1
    try:
        return hold_file(home / HOLDER)
    except Held as held:
        raise PostgresUnavailable(
            f"another BunBase (process {held.holder}) works on {home}, to which {data_dir} leads too: stop it, or copy "
            f"{home} and name the copy in {data_dir / NOTE}"
        ) from None


def socket_directory(place: Place) -> Path:
    """Return a directory for the socket: only PostgreSQL's user and root can enter it, and its path is short enough."""
    near = place.home / SOCKET
    if len(os.fsencode(near)) <= MAX_SOCKET_DIRECTORY:
        near.mkdir(mode=0o700, exist_ok=True)
        directory = near
    else:
        directory = Path(
            tempfile.mkdtemp(prefix=TEMPORARY[1], dir=TEMPORARY[0])
        )  # a new directory with mode 0700 and a short path
    if place.account.drops_root:
        os.chown(directory, place.account.uid, place.account.gid, follow_symlinks=False)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != place.account.uid or status.st_mode & 0o077:
        raise PostgresUnavailable(f"{directory} is not a directory of {place.account.name} alone: remove it")
    return directory


def hand_over(directory: Path, account: Account) -> None:
    """Make a directory that only PostgreSQL's user can use."""
    directory.mkdir(mode=0o700)
    if account.drops_root:
        os.chown(directory, account.uid, account.gid)


def _opened_to(account: Account, home: Path) -> Path:
    """Let the account's group pass through the home. The home still belongs to root."""
    if home.stat().st_uid == 0:
        os.chown(home, 0, account.gid)
        home.chmod(0o750)
    return home


def _moved(data_dir: Path, account: Account, shared: Path) -> Path:
    """Make a home below `shared`. Its name is random, so that a new data directory at an old path finds no old data."""
    try:
        shared.mkdir(mode=0o755, parents=True, exist_ok=True)
        status = shared.stat()
        if status.st_uid != 0 or status.st_mode & 0o022 or not account.can_enter(shared):
            raise PostgresUnavailable(f"{shared} must belong to root, be open to all and writable only by root")
        name = hashlib.sha256(f"{data_dir} {new_id()}".encode()).hexdigest()[:16]
        home = shared / f"postgres-{name}"
        home.mkdir(mode=0o700)
    except OSError as error:
        raise PostgresUnavailable(
            f"the user {account.name} may not enter {data_dir.parent}, and {shared} cannot be used "
            f"({error.strerror}): choose a BUNBASE_DATA_DIR that is open to that user, or set DATABASE_URL"
        ) from error
    replace_secret_file(home / OWNER, f"{data_dir}\n")
    replace_secret_file(
        data_dir / NOTE,
        f"{home}\n\nPostgreSQL runs as the user {account.name}, who may not enter {data_dir.parent}.\n"
        "Its data therefore lie in the directory named above, and are as much a part of this one: back up both.\n",
    )
    return _opened_to(account, home)


def _noted(data_dir: Path) -> Path:
    """Return the home that the note names, after checking that the note is not a copy of another directory's note."""
    note, home = data_dir / NOTE, _noted_home(data_dir)
    if not home.is_dir():
        raise PostgresUnavailable(f"{note} says that the data is in {home}, which is missing: put it back")
    owner = Path((home / OWNER).read_text("utf-8").strip())
    if owner != data_dir and (owner / NOTE).exists() and _noted_home(owner) == home:
        raise PostgresUnavailable(
            f"{data_dir} is a copy of {owner}, and {home} belongs to that one: copy it too, and name the copy in {note}"
        )
    if owner != data_dir:
        os.close(hold_home(home, data_dir))  # no server works there, so the directory was renamed
        replace_secret_file(home / OWNER, f"{data_dir}\n")
    return home


def _noted_home(data_dir: Path) -> Path:
    return Path((data_dir / NOTE).read_text("utf-8").partition("\n")[0])
