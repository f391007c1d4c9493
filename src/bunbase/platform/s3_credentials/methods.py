"""The methods of the contract about credentials for S3."""

from __future__ import annotations

from bunbase.contracts.caller import Caller
from bunbase.contracts.s3_credentials import NewS3Credential, S3Credential, S3Credentials, S3Holder
from bunbase.platform.s3_credentials.service import S3CredentialService


class S3CredentialCalls:
    """Every method calls the part that does the work."""

    s3: S3CredentialService

    async def s3_credentials(self, caller: Caller) -> S3Credentials:
        return await self.s3.list_credentials(caller)

    async def create_s3_credential(self, caller: Caller, new: NewS3Credential) -> S3Credential:
        return await self.s3.create(caller, new)

    async def delete_s3_credential(self, caller: Caller, access_key_id: str) -> None:
        await self.s3.delete(caller, access_key_id)

    async def s3_holder(self, access_key_id: str) -> S3Holder:
        return await self.s3.holder(access_key_id)
