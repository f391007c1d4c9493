"""The users of a project in a backup: one encrypted file of frames. Readers and writers hold only one frame in memory.

The file begins with a line of JSON. This line has the version of the format, and a data key that BunKMS wrapped for the
project. When the project is deleted, its key is destroyed, so the file becomes unreadable.

Each frame begins with the length of its ciphertext in four bytes. The ciphertext follows: whole lines, encrypted with
ChaCha20-Poly1305. The nonce is the number of the frame, and the associated data tell whether the frame is the last one.
So a reader notices frames that are missing, moved or added (STREAM, Hoang et al. 2015).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bunbase.bundoc.backups.engine import Progress, disk_problem
from bunbase.contracts.bundoc.backups import BackupDamaged, BackupTooNew
from bunbase.contracts.bunkms import DecryptionFailed, Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.transfers import MAX_IMPORT_LINES, ImportedUsers
from bunbase.pkg.ndjson import ImportLine

NAME: Final = "users.enc"
FORMAT: Final = 1
LENGTH_BYTES: Final = 4
NONCE_BYTES: Final = 12
# A message of an export has at most 1 MiB of lines now. This limit is higher, because later versions may send more.
MAX_FRAME: Final = 8 << 20
MAX_HEAD: Final = 4096
MORE, LAST = b"more", b"last"
KEPT_ERRORS: Final = 100  # A restore stores at most this many problems, because jobs are held in memory.


class Head(msgspec.Struct, frozen=True):
    """The first line of the file. `key`: the wrapped data key."""

    format: int
    key: str


class BackedUpUsers:
    def __init__(self, kms: Kms, users: TenantAuth) -> None:
        self.kms = kms
        self.users = users

    async def write(self, project: str, backup: str, folder: Path, progress: Progress) -> int:
        """Write the users of the project to the folder of a backup. Return the number of users.

        Raises: DiskFull, BackupFailed, DeadlineExceeded, and the errors of BunKMS and tenant-auth.
        """
        key = await self.kms.generate_data_key(project, _context(backup))
        cipher, count, at = ChaCha20Poly1305(key.plaintext), 0, 0
        try:
            with await asyncio.to_thread(_new_file, folder / NAME) as file:
                file.write(msgspec.json.encode(Head(FORMAT, key.wrapped)) + b"\n")
                async for part in self.users.copied_users(project, ""):
                    progress.go_on()
                    await asyncio.to_thread(_write_frame, file, cipher, at, part.lines, MORE)
                    count += part.lines.count(b"\n")
                    at += 1
                await asyncio.to_thread(_write_frame, file, cipher, at, b"", LAST)
                await asyncio.to_thread(_synced, file)
        except OSError as error:
            raise disk_problem(error) from error
        return count

    async def verify(self, project: str, backup: str, folder: Path, progress: Progress, count: int) -> None:
        """Read the whole file. Raises: BackupDamaged, BackupTooNew, and the problems of `write`."""
        found = 0
        async for lines in self._frames(project, backup, folder, progress):
            found += lines.count(b"\n")
        if found != count:
            raise _damaged("it has another number of users than the manifest")

    async def restore(
        self, caller: Caller, project: str, backup: str, folder: Path, progress: Progress
    ) -> ImportedUsers:
        """Put the users of a backup of `project` into the caller's project.

        Raises: the problems of `verify`, TooManyUsers.
        """
        done, number = ImportedUsers(), 0
        async for lines in self._frames(project, backup, folder, progress):
            texts = lines.splitlines()
            for start in range(0, len(texts), MAX_IMPORT_LINES):
                part = texts[start : start + MAX_IMPORT_LINES]
                batch = tuple(ImportLine(number + at, text) for at, text in enumerate(part, 1))
                number += len(batch)
                done = _sum(done, await self.users.restore_users(caller, batch))
        return done

    async def _frames(self, project: str, backup: str, folder: Path, progress: Progress) -> AsyncIterator[bytes]:
        """Yield the lines of each frame. Raises: the problems of `verify`."""
        try:
            with (folder / NAME).open("rb") as file:
                cipher = ChaCha20Poly1305(await self._key(project, backup, file))
                at, is_last = 0, False
                while not is_last:
                    progress.go_on()
                    lines, is_last = await asyncio.to_thread(_read_frame, file, cipher, at)
                    at += 1
                    if lines:
                        yield lines
                if file.read(1):
                    raise _damaged("it goes on after its end")
        except FileNotFoundError:
            raise _damaged("it is missing") from None
        except OSError as error:
            raise disk_problem(error) from error

    async def _key(self, project: str, backup: str, file: BinaryIO) -> bytes:
        try:
            head = msgspec.json.decode(file.readline(MAX_HEAD), type=Head)
        except msgspec.MsgspecError:
            raise _damaged("its first line cannot be read") from None
        if head.format > FORMAT:
            raise BackupTooNew("The users in this backup were written by a newer BunBase: update this one first.")
        try:
            return await self.kms.unwrap_data_key(project, _context(backup), head.key)
        except DecryptionFailed:
            raise _damaged("its key does not belong to this project and backup") from None


def _write_frame(file: BinaryIO, cipher: ChaCha20Poly1305, at: int, lines: bytes, place: bytes) -> None:
    sealed = cipher.encrypt(_nonce(at), lines, place)
    file.write(len(sealed).to_bytes(LENGTH_BYTES, "big") + sealed)


def _read_frame(file: BinaryIO, cipher: ChaCha20Poly1305, at: int) -> tuple[bytes, bool]:
    """Return the lines of the next frame, and True if it is the last frame. Raises: BackupDamaged."""
    size = int.from_bytes(file.read(LENGTH_BYTES), "big")
    sealed = file.read(size) if size <= MAX_FRAME else b""
    for place in (MORE, LAST):
        try:
            return cipher.decrypt(_nonce(at), sealed, place), place is LAST
        except InvalidTag:
            continue
    raise _damaged(f"its frame {at + 1} cannot be decrypted")


def _nonce(at: int) -> bytes:
    return at.to_bytes(NONCE_BYTES, "big")


def _context(backup: str) -> str:
    return f"bundoc/backup-users/{backup}"


def _damaged(why: str) -> BackupDamaged:
    return BackupDamaged(f"{NAME} of this backup is damaged: {why}. Use another backup.", file=NAME)


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _synced(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sum(one: ImportedUsers, other: ImportedUsers) -> ImportedUsers:
    return ImportedUsers(
        one.imported + other.imported,
        one.updated + other.updated,
        one.skipped + other.skipped,
        one.failed + other.failed,
        other.last_line,
        (*one.errors, *other.errors)[:KEPT_ERRORS],
    )
