"""The directories and files of the embedded PostgreSQL. All of these are below one directory, the home.

    <home>/data              the data; initdb creates it, and PostgreSQL writes it
    <home>/socket            the socket, unless its path would be too long for the kernel
    <home>/postgres.lock     a lock that every process of the server holds (earlier.py)
    <home>/holder.lock       a lock that BunBase holds, if the home is outside of its data directory
    <home>/postgresql.conf   the configuration, which BunBase writes at each start; also pg_hba.conf and pg_ident.conf
    <home>/postgres.log      the log of the server

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
# The parent of temporary directories for sockets, and the prefix of their names, are short, because the kernel limits
# the length of a socket's path.
TEMPORARY: Final = (Path("/tmp"), "bunbase-")  # noqa: S108  mkdtemp makes them, with names that cannot be guessed
# The limit is in bytes. sockaddr_un holds 108, and `/.s.PGSQL.5432.lock` must fit too.
MAX_SOCKET_DIRECTORY: Final = 85


@dataclass(frozen=True)
class Place:
    home: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def draft(self) -> Path:
        """Return the directory in which `initdb` works until the data is complete."""
        return self.home / "data.new"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"


def place_for(data_dir: Path, shared: Path = SHARED) -> Place:
    """Return the place of the files: in `data_dir`, or below `shared` if PostgreSQL's user cannot enter `data_dir`.

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
            f"the data in {data_dir} belongs to {account.name}, who may not enter {data_dir.parent} any more: "
            "allow that user to enter it, or move the data directory"
        )
    return Place(_moved(data_dir, account, shared), account)


def hold_home(home: Path, data_dir: Path) -> int:
    """Lock a home outside of the data directory. Return the descriptor, or -1 if the data directory is the home.

    This second lock is needed because two data directories can use the same home: for example, if a directory is copied
    and then renamed while its server runs. Without this lock, a BunBase on the copy would end that server.
    Raises: PostgresUnavailable.
    """
    if home == data_dir.resolve():
        return -1
    try:
        return hold_file(home / HOLDER)
    except Held as held:
        raise PostgresUnavailable(
            f"another BunBase (process {held.holder}) already uses {home}, the PostgreSQL files of {data_dir}: "
            f"stop it, or copy {home} and write the path of the copy into {data_dir / NOTE}"
        ) from None


def socket_directory(place: Place) -> Path:
    """Return a directory for the socket.

    The path of the directory is short, and only PostgreSQL's user and root can enter it.
    """
    near = place.home / SOCKET
    if len(os.fsencode(near)) <= MAX_SOCKET_DIRECTORY:
        near.mkdir(mode=0o700, exist_ok=True)
        directory = near
    else:
        directory = Path(
            tempfile.mkdtemp(prefix=TEMPORARY[1], dir=TEMPORARY[0])
        )  # this is a new directory with mode 0700 and a short path
    if place.account.drops_root:
        os.chown(directory, place.account.uid, place.account.gid, follow_symlinks=False)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != place.account.uid or status.st_mode & 0o077:
        raise PostgresUnavailable(f"{directory} is not a private directory of {place.account.name}: remove it")
    return directory


def hand_over(directory: Path, account: Account) -> None:
    """Create a directory that only PostgreSQL's user can use."""
    directory.mkdir(mode=0o700)
    if account.drops_root:
        os.chown(directory, account.uid, account.gid)


def _opened_to(account: Account, home: Path) -> Path:
    """Allow the account's group to pass through the home, and return the home, which still belongs to root."""
    if home.stat().st_uid == 0:
        os.chown(home, 0, account.gid)
        home.chmod(0o750)
    return home


def _moved(data_dir: Path, account: Account, shared: Path) -> Path:
    """Create a home below `shared`, and return it.

    The name of the home is random, so that a new data directory at the path of an old one gets a new home.
    """
    try:
        shared.mkdir(mode=0o755, parents=True, exist_ok=True)
        status = shared.stat()
        if status.st_uid != 0 or status.st_mode & 0o022 or not account.can_enter(shared):
            raise PostgresUnavailable(f"{shared} must belong to root, and other users must be able to read it only")
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
        "So its data is in the directory named above. Back up both directories.\n",
    )
    return _opened_to(account, home)


def _noted(data_dir: Path) -> Path:
    """Return the home that the note contains, after a check that this data directory is not a copy of another data
    directory.
    """
    note, home = data_dir / NOTE, _noted_home(data_dir)
    if not home.is_dir():
        raise PostgresUnavailable(f"{note} says that the data is in {home}, but this directory is missing: restore it")
    owner = Path((home / OWNER).read_text("utf-8").strip())
    if owner != data_dir and (owner / NOTE).exists() and _noted_home(owner) == home:
        raise PostgresUnavailable(
            f"{data_dir} is a copy of {owner}, which uses {home}: copy {home} too, and write the path of the copy into "
            f"{note}"
        )
    if owner != data_dir:
        os.close(hold_home(home, data_dir))  # This succeeds only if no server runs, so the data directory was renamed.
        replace_secret_file(home / OWNER, f"{data_dir}\n")
    return home


def _noted_home(data_dir: Path) -> Path:
    return Path((data_dir / NOTE).read_text("utf-8").partition("\n")[0])
