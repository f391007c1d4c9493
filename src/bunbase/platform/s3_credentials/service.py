"""Make, list and delete credentials for S3, and return their secrets to the S3 port.

A signature is checked with the secret itself, so a hash is not enough (AWS Signature Version 4). BunKMS seals each
secret with the key of the project, and the id of the credential is authenticated. When the key of a project is
destroyed, nobody can read its secrets.
"""

from __future__ import annotations

import re
import secrets
from base64 import b32encode
from typing import Final

from bunbase.contracts.acts import Act
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.platform import InvalidKey
from bunbase.contracts.project_administration import ProjectSuspended
from bunbase.contracts.s3_credentials import (
    NewS3Credential,
    S3Credential,
    S3CredentialNotFound,
    S3Credentials,
    S3Holder,
)
from bunbase.contracts.storage import BucketNotFound, Storage
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput
from bunbase.platform.s3_credentials.store import S3CredentialStore
from bunbase.platform.service.rules import SUSPENDED, checked_name, forget_at

MAX_CREDENTIALS: Final = 100
A_NAME: Final = "A credential's name"
PREFIX: Final = "BBAK"
ACCESS_KEY_ID: Final = re.compile(r"BBAK[A-Z2-7]{16}")
ID_BYTES: Final = 10  # 16 characters
SECRET_BYTES: Final = 30  # 40 characters, as with AWS
UNKNOWN: Final = "This credential for S3 is unknown or was deleted."


class S3CredentialService:
    def __init__(self, store: S3CredentialStore, kms: Kms, storage: Storage, clock: Clock) -> None:
        self.store = store
        self.kms = kms
        self.storage = storage
        self.clock = clock

    async def list_credentials(self, caller: Caller) -> S3Credentials:
        caller.check(Act.S3_CREDENTIAL_READ)
        return S3Credentials(tuple(await self.store.of(caller.project, MAX_CREDENTIALS)))

    async def create(self, caller: Caller, new: NewS3Credential) -> S3Credential:
        caller.check(Act.S3_CREDENTIAL_CREATE)
        name, buckets = checked_name(new.name, A_NAME), tuple(dict.fromkeys(new.buckets))
        if buckets:
            await self._check_buckets(caller.project, buckets)
        id = PREFIX + b32encode(secrets.token_bytes(ID_BYTES)).decode()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        sealed = await self.kms.seal(caller.project, _context(id), secret.encode())
        made = S3Credential(id, name, new.access, self.clock.now(), buckets, None, secret)
        if not await self.store.add(caller.project, made, sealed, MAX_CREDENTIALS):
            raise InvalidInput(f"A project has at most {MAX_CREDENTIALS} credentials for S3. Delete one first.")
        return made

    async def _check_buckets(self, project: str, buckets: tuple[str, ...]) -> None:
        """Raises: BucketNotFound for a name that is misspelt, with which the credential would be of no use."""
        found = await self.storage.buckets(Caller(CallerKind.SECRET, project=project))
        missing = sorted(set(buckets) - {one.name for one in found.items})
        if missing:
            raise BucketNotFound(f"Create the bucket {missing[0]!r} first, or check its name.", bucket=missing[0])

    async def delete(self, caller: Caller, id: str) -> None:
        caller.check(Act.S3_CREDENTIAL_DELETE)
        if not await self.store.delete(caller.project, id, forget_at(self.clock)):
            raise S3CredentialNotFound

    async def holder(self, id: str) -> S3Holder:
        found = await self.store.sealed(id) if ACCESS_KEY_ID.fullmatch(id) else None
        if found is None:
            raise InvalidKey(UNKNOWN)
        if found.suspended:
            raise ProjectSuspended(SUSPENDED)
        secret = await self.kms.unseal(found.project, _context(id), found.secret)
        return S3Holder(found.id, found.project, secret.decode(), found.access, found.buckets)


def _context(id: str) -> str:
    return f"platform/s3/{id}"
