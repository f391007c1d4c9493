"""The proof that BunBase wrote a backup: BunKMS makes an authentication code of the manifest with the project's key.

The manifest holds the id, the project, the time and the SHA-256 of every file. An attacker who can write to the backup
disk, but not to BunKMS, cannot change a backup, give an older backup a new id or date, move a backup to another
project, or mix the pages of two backups (docs/decisions/0041).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from bunbase.contracts.bundoc.backups import (
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

# One call of BunKMS checks at most this many codes. There may be more backups than this, if somebody copied folders.
AT_ONCE: Final = 500


class StoredManifest(msgspec.Struct, frozen=True):
    """A manifest as it is stored.

    `id`: the name of the backup's folder. `text`: the bytes of the manifest. `mac`: the authentication code of the
    manifest; "" if the folder has no code.
    """

    id: str
    text: bytes
    mac: str
    manifest: Manifest


class Proofs:
    """Makes and checks the authentication codes of manifests."""

    def __init__(self, kms: Kms) -> None:
        self.kms = kms

    async def make(self, project: str, id: str, text: bytes) -> str:
        """Return the code for a manifest. Raises: the errors of BunKMS."""
        return await self.kms.make_mac(project, _context(id), _digest(text))

    async def check(self, project: str, stored: Sequence[StoredManifest]) -> list[Backup]:
        """Check the codes of these backups, and return each backup with the result. Raises: the errors of BunKMS."""
        macs = [Mac(_context(one.id), _digest(one.text), one.mac) for one in stored if one.mac]
        answers: list[bool] = []
        for first in range(0, len(macs), AT_ONCE):
            answers += await self.kms.check_macs(project, tuple(macs[first : first + AT_ONCE]))
        proved = iter(answers)
        return [_backup(one, project, next(proved) if one.mac else None) for one in stored]


def need_proof(backup: Backup, unauthenticated: bool) -> None:
    """Refuse an altered backup. If `unauthenticated` is false, also refuse a backup without a code.

    Raises: BackupAltered, BackupUnauthenticated.
    """
    match backup.authenticity:
        case Authenticity.ALTERED:
            raise BackupAltered(
                "Somebody changed, moved or renamed this backup. Use another backup, and check who can write to the "
                "backup directory."
            )
        case Authenticity.UNAUTHENTICATED if not unauthenticated:
            raise BackupUnauthenticated(
                "An older BunBase made this backup, or somebody removed its proof. If you trust the backup disk, "
                "restore it with `unauthenticated`: true (bunbase backup restore --unauthenticated)."
            )
        case _:
            return


def unreadable(project: str, id: str) -> Backup:
    """Return the entry of a backup with an unreadable manifest, so that callers can list and delete the backup."""
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


def _backup(stored: StoredManifest, project: str, proved: bool | None) -> Backup:
    manifest = stored.manifest
    if proved is False or (manifest.id, manifest.project) != (stored.id, project):
        authenticity = Authenticity.ALTERED
    else:
        authenticity = Authenticity.PROVED if proved else Authenticity.UNAUTHENTICATED
    # The id and the project come from the folder, because a deletion uses them as an address. The manifest may be
    # forged.
    place = {"id": stored.id, "project": project}
    return Backup(**{**msgspec.structs.asdict(manifest), **place}, authenticity=authenticity)


def _context(id: str) -> str:
    return f"bundoc/backup-manifest/{id}"


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
