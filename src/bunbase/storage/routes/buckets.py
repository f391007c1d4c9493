"""`/v1/storage/buckets` and `/v1/storage/usage`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, delete, get, patch, post
from litestar.params import PathParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.storage import BUCKET_NAME, Bucket, BucketChanges, Buckets, NewBucket, Storage, StorageUsage
from bunbase.pkg.http import Injected
from bunbase.pkg.json_bodies import read_input
from bunbase.pkg.openapi import reads

TAGS: Final = ["Files"]

AnyRequest = Request[Any, Any, Any]
BucketName = Annotated[str, PathParameter(description="The name of the bucket.", schema_extra={"pattern": BUCKET_NAME})]


@get("/v1/storage/buckets", summary="List buckets", tags=TAGS)
async def list_buckets(operator: Injected[Caller], storage: Injected[Storage]) -> Buckets:
    """Returns all buckets of the project, by name. A project has at most 100 buckets."""
    return await storage.buckets(operator)


@post("/v1/storage/buckets", summary="Create a bucket", tags=TAGS, operation_class=reads(NewBucket))
async def create_bucket(
    operator: Injected[Caller], storage: Injected[Storage], request: AnyRequest, body: bytes
) -> Bucket:
    """Creates a bucket. Only the secret key and members of the project may do an act without a rule."""
    return await storage.create_bucket(operator, read_input(request.headers, body, NewBucket))


@get("/v1/storage/buckets/{bucket:str}", summary="Get a bucket", tags=TAGS)
async def get_bucket(operator: Injected[Caller], storage: Injected[Storage], bucket: BucketName) -> Bucket:
    return await storage.bucket(operator, bucket)


@patch("/v1/storage/buckets/{bucket:str}", summary="Change a bucket", tags=TAGS, operation_class=reads(BucketChanges))
async def update_bucket(
    operator: Injected[Caller], storage: Injected[Storage], request: AnyRequest, bucket: BucketName, body: bytes
) -> Bucket:
    """Replaces the settings that are sent; `rules` are replaced together. New limits hold for new uploads."""
    return await storage.update_bucket(operator, bucket, read_input(request.headers, body, BucketChanges))


@delete("/v1/storage/buckets/{bucket:str}", summary="Delete an empty bucket", tags=TAGS)
async def delete_bucket(operator: Injected[Caller], storage: Injected[Storage], bucket: BucketName) -> None:
    """Deletes a bucket without objects. Its signed links end."""
    await storage.delete_bucket(operator, bucket)


@get("/v1/storage/usage", summary="Get the size of all files", tags=TAGS)
async def get_storage_usage(operator: Injected[Caller], storage: Injected[Storage]) -> StorageUsage:
    """Returns the number and the bytes of all objects now, and the limits of the project."""
    return await storage.stored(operator)


ROUTES: Final = (list_buckets, create_bucket, get_bucket, update_bucket, delete_bucket, get_storage_usage)
