"""Settings of Storage."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bunbase.contracts.multipart import MULTIPART_SECONDS
from bunbase.contracts.resumable import RESUMABLE_SECONDS


class StorageSettings(msgspec.Struct, frozen=True):
    """The place of the stored bytes, and the limits of each project.

    `directory`: the folder for the encrypted bytes of objects; empty for `storage/blobs` in the data directory. It is
    not used with S3.
    `s3_bucket`: the bucket of an S3 service that keeps the encrypted bytes instead of a folder. The lists of objects
    stay in the data directory.
    `s3_endpoint`: the URL of the S3 service; empty for AWS. An address with `http://` is allowed.
    `s3_region`: the region of the S3 bucket.
    `s3_access_key_id`: the name of the credential for S3.
    `s3_secret_access_key`: the secret of the credential for S3.
    `s3_prefix`: the beginning of all names in the S3 bucket, for a bucket that others use too.
    `max_bytes`: the limit for the bytes of all objects of a project.
    `max_objects`: the limit for the number of objects of a project.
    `max_uploads`: the limit of uploads that run at the same time in a project.
    `max_multipart_uploads`: the limit of uploads in several parts that a project has begun and not completed.
    `multipart_seconds`: the age after which an upload in several parts that was not completed is deleted.
    `max_resumable_uploads`: the limit of resumable uploads (TUS) that a project has begun and not finished.
    `resumable_seconds`: the time without a new chunk after which a resumable upload is deleted.
    `min_free_mib`: the free space of the folder below which uploads are refused.
    `deleted_seconds`: the time for which the bytes of deleted and replaced objects are kept. They are deleted earlier
    if they take more than half of `max_bytes`.
    `orphan_seconds`: the age after which the bytes of an upload that was never finished are deleted.
    `change_days`: the log of a project keeps changes of objects for this many days. Triggers of functions read it.
    `changes`: the log of a project keeps at most this many changes of objects.
    `waiting_for_changes`: the number of calls that may wait for changes at the same time.
    `idle_upload_seconds`: the time without data after which an upload is given up.
    `image_workers`: the number of images that are changed at the same time, each in a separate process, which needs up
    to 0.75 GB of memory for an image of 50 megapixels; 0 turns variants of images off. One project has at most about
    half of these places.
    `max_variant_bytes`: the limit for the bytes of all kept variants of images of a project. They do not count to
    `max_bytes`.
    `variant_days`: the age in days after which a kept variant of an image is deleted.
    `max_open`: the limit of projects whose lists of objects are open at the same time.
    `threads`: the number of threads for lists of objects, for encryption, and for syncing files to disk.
    `replaces_directory`: the id of a lost data directory that this directory replaces.
    """

    directory: str = ""
    s3_bucket: str = ""
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_access_key_id: str = ""
    s3_secret_access_key: str = ""
    s3_prefix: str = ""
    max_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 60)] = 100 << 30
    max_objects: Annotated[int, msgspec.Meta(ge=1, le=10_000_000_000)] = 10_000_000
    max_uploads: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 32
    max_multipart_uploads: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    multipart_seconds: Annotated[int, msgspec.Meta(ge=60, le=400 * 86_400)] = MULTIPART_SECONDS
    max_resumable_uploads: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    resumable_seconds: Annotated[int, msgspec.Meta(ge=60, le=400 * 86_400)] = RESUMABLE_SECONDS
    min_free_mib: Annotated[int, msgspec.Meta(ge=0, le=1 << 30)] = 512
    deleted_seconds: Annotated[int, msgspec.Meta(ge=0, le=400 * 86_400)] = 86_400
    orphan_seconds: Annotated[int, msgspec.Meta(ge=60, le=400 * 86_400)] = 172_800
    change_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 7.0
    changes: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000_000
    waiting_for_changes: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    idle_upload_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 120
    image_workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 3
    max_variant_bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 50)] = 1 << 30
    variant_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 30.0
    max_open: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 256
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    replaces_directory: str = ""
