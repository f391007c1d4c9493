"""Proof that a backup is what BunBase wrote: a code over its manifest, made by BunKMS under the project's key.

The manifest holds id, project, time and the SHA-256 of every file. Whoever writes to the backup disk but not to BunKMS
cannot change one, give an older backup a new id or date, move one between projects, or mix pages of two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from bunbase.contracts.backups import (
    Authenticity,
    Backup,
    BackupAltered,
    BackupReason,
    BackupUnauthenticated,
    Manifest,
)
from bunbase.contracts.bunkms import Kms, Mac
from bunbase.pkg.clock import rfc3339
from bunbase.pkg.ids import id_made_at

AT_ONCE: Final = 500  # more than a project may have; somebody may have copied folders into the directory


class WrittenManifest(msgspec.Struct, frozen=True):
    """A manifest as it is stored. `id`: of its backup; `text`: its bytes; `mac`: "" if there is none."""

    id: str
    text: bytes
    mac: str
    manifest: Manifest


class Proofs:
    def __init__(self, kms: Kms) -> None:
        self.kms = kms

    async def made(self, project: str, id: str, text: bytes) -> str:
        """Return the code for a manifest. Raises: what BunKMS says of the project's key."""
        return await self.kms.make_mac(project, _context(id), _digest(text))

    async def checked(self, project: str, written: Sequence[WrittenManifest]) -> list[Backup]:
        """Return the backups, each with what its code proves.

        Raises: what BunKMS says of the project's key.
        """
        macs = [Mac(_context(one.id), _digest(one.text), one.mac) for one in written if one.mac]
        answers: list[bool] = []
        for first in range(0, len(macs), AT_ONCE):
            answers += await self.kms.check_macs(project, tuple(macs[first : first + AT_ONCE]))
        proved = iter(answers)
        return [_backup(one, project, next(proved) if one.mac else None) for one in written]


def need_proof(backup: Backup, unauthenticated: bool) -> None:
    """Refuse a backup that was altered, and one without a code unless `unauthenticated` says that it is meant.

    Raises: BackupAltered, BackupUnauthenticated.
    """
    match backup.authenticity:
        case Authenticity.ALTERED:
            raise BackupAltered(
                "Somebody changed, moved or renamed this backup. Use another one, and look at its disk."
            )
        case Authenticity.UNAUTHENTICATED if not unauthenticated:
            raise BackupUnauthenticated(
                "An older BunBase made this backup, or somebody took its proof away. If you trust the backup disk, "
                "restore it with `unauthenticated`: true (bunbase backup restore --unauthenticated)."
            )
        case _:
            return


def unreadable(project: str, id: str) -> Backup:
    """Return what is known of a backup whose manifest cannot be read: it must be seen, and can be deleted."""
    return Backup(
        id=id,
        project=project,
        reason=BackupReason.UNKNOWN,
        created_at=rfc3339(id_made_at(id)),
        bunbase="",
        format=0,
        key_version=0,
        seq=0,
        source_changed_at=0,
        collections=(),
        files=(),
        authenticity=Authenticity.UNREADABLE,
    )


def _backup(written: WrittenManifest, project: str, proved: bool | None) -> Backup:
    manifest = written.manifest
    if proved is False or (manifest.id, manifest.project) != (written.id, project):
        authenticity = Authenticity.ALTERED
    else:
        authenticity = Authenticity.PROVED if proved else Authenticity.UNAUTHENTICATED
    # shown as what lies there, whatever it claims to be: it must be possible to look at it and to delete it
    place = {"id": written.id, "project": project}
    return Backup(**{**msgspec.structs.asdict(manifest), **place}, authenticity=authenticity)


def _context(id: str) -> str:
    return f"bundoc/backup-manifest/{id}"


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
