"""Credentials of a project for the S3 port: an access key id and a secret, which clients sign their requests with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem

MAX_BUCKETS: Final = 100

Access = Literal["read", "write"]
BucketName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]


class S3CredentialNotFound(Problem):
    status, code, title = 404, "s3_credential_not_found", "This project has no such credential for S3"


class S3Credential(msgspec.Struct, frozen=True, omit_defaults=True):
    """`access`: `read`, or `write`, which includes `read`. `buckets`: the only buckets that the credential may use;
    empty for all buckets. `secret_access_key`: present only in the answer to the request that created the credential.
    `last_used_at`: the time of the last use, exact to about a minute.
    """

    access_key_id: str
    name: str
    access: Access
    created_at: datetime
    buckets: tuple[str, ...] = ()
    last_used_at: datetime | None = None
    secret_access_key: str | None = None


class S3Credentials(msgspec.Struct, frozen=True):
    items: tuple[S3Credential, ...]
    next: str | None = None


class NewS3Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`buckets`: the only buckets that the credential may use, which must exist; empty for all buckets."""

    name: str
    access: Access = "write"
    buckets: Annotated[tuple[BucketName, ...], msgspec.Meta(max_length=MAX_BUCKETS)] = ()


class S3Holder(msgspec.Struct, frozen=True):
    """The project of a credential, its limits, and the secret with which its requests are signed."""

    access_key_id: str
    project: str
    secret: str
    access: Access
    buckets: tuple[str, ...]


class S3CredentialMethods(Protocol):
    """The methods of Platform for credentials of the S3 port."""

    async def s3_credentials(self, caller: Caller) -> S3Credentials:
        """Return the credentials of a project, newest first."""
        ...

    async def create_s3_credential(self, caller: Caller, new: NewS3Credential) -> S3Credential:
        """Return the new credential with its secret, which is never shown again.

        Raises: InvalidInput, BucketNotFound.
        """
        ...

    async def delete_s3_credential(self, caller: Caller, access_key_id: str) -> None:
        """Delete a credential. Every process refuses it within a second. Raises: S3CredentialNotFound."""
        ...

    async def s3_holder(self, access_key_id: str) -> S3Holder:
        """Return the holder of a credential, for the S3 port. Raises: InvalidKey, ProjectSuspended."""
        ...
