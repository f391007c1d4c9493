"""Public HTTP of the credentials for S3: `…/storage/credentials`."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import delete, get, post
from litestar.params import PathParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.contracts.s3_credentials import NewS3Credential, S3Credential, S3Credentials
from bunbase.pkg.http import NO_STORE, Injected

TAGS: Final = ["Files"]

AccessKeyId = Annotated[str, PathParameter(pattern="^[A-Za-z0-9_]{1,64}$")]


@get("/api/projects/{project:str}/storage/credentials", summary="List a project's credentials for S3", tags=TAGS)
async def list_storage_credentials(member: Injected[Caller], platform: Injected[Platform]) -> S3Credentials:
    return await platform.s3_credentials(member)


@post(
    "/api/projects/{project:str}/storage/credentials",
    summary="Create a credential for S3",
    tags=TAGS,
    cache_control=NO_STORE,
)
async def create_storage_credential(
    member: Injected[Caller], platform: Injected[Platform], data: NewS3Credential
) -> S3Credential:
    """Clients of S3 sign their requests to the S3 port with this credential. The secret is shown only in this answer.
    Rules do not apply to these requests: use the credential only on servers."""
    return await platform.create_s3_credential(member, data)


@delete(
    "/api/projects/{project:str}/storage/credentials/{access_key_id:str}",
    summary="Delete a credential for S3",
    tags=TAGS,
)
async def delete_storage_credential(
    member: Injected[Caller], platform: Injected[Platform], access_key_id: AccessKeyId
) -> None:
    """The credential stops working everywhere within a second, also for presigned URLs."""
    await platform.delete_s3_credential(member, access_key_id)


ROUTES: Final = (list_storage_credentials, create_storage_credential, delete_storage_credential)
