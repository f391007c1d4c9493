"""Journeys with libraries: boto3, obstore, and the AWS SDK for JavaScript."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
import obstore
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from obstore.store import S3Store

from bunbase.pkg.s3.checksums import Algorithm
from tests.outside.s3.files import KEYS, content, large
from tests.outside.s3.target import Target
from tests.outside.tally import Tally

BUCKET: Final = "journey-of-a-library"
OBSTORE_BUCKET: Final = "journey-of-obstore"
STEP_SECONDS: Final = 300.0
AT_ONCE: Final = 20


def boto(target: Target) -> Tally:
    tally = Tally(f"boto3, {target.name}")
    s3 = boto3.client(
        "s3",
        endpoint_url=target.url,
        region_name="us-east-1",
        aws_access_key_id=target.main.access_key,
        aws_secret_access_key=target.main.secret,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )
    s3.create_bucket(Bucket=BUCKET)
    try:
        for key in KEYS:
            _try(tally, f"the key {key[:20]!r}", partial(_key, s3, key))
        _try(tally, "a list has each key once", lambda: _equal(sorted(_listed(s3)), sorted(KEYS)))
        _try(tally, "a list in pages of 3 has each key once", lambda: _equal(sorted(_listed(s3, 3)), sorted(KEYS)))
        for algorithm in Algorithm:
            if algorithm is not Algorithm.MD5:  # which boto3 does not compute
                _try(tally, f"a checksum {algorithm}", partial(_checksum, s3, algorithm))
                _try(tally, f"parts with {algorithm}", partial(_parts, s3, algorithm))
        _try(tally, "only one of many conditional writes succeeds", lambda: _conditional(s3))
        _try(tally, "a presigned PUT accepts its type only", lambda: _presigned(s3))
        _try(tally, "a large file comes back", lambda: _transfer(s3))
    finally:
        _try(tally, "the bucket is emptied and deleted", lambda: _empty(s3))
    return tally


def _try(tally: Tally, name: str, step: Callable[[], None]) -> None:
    """Count a step. An exception is a failure, and the next step still runs."""
    try:
        step()
    except Exception as error:
        tally.check(False, name, repr(error))
    else:
        tally.check(True, name)


def _equal(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{found!r} instead of {expected!r}"[:300])


def _key(s3: Any, key: str) -> None:
    data = content(key) or b"x"
    s3.put_object(Bucket=BUCKET, Key=key, Body=data, Metadata={"kind": "odd"})
    found = s3.get_object(Bucket=BUCKET, Key=key)
    _equal((found["Body"].read(), found["Metadata"]), (data, {"kind": "odd"}))
    _equal(s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"], len(data))
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": key})
    _equal(s3.get_object(Bucket=BUCKET, Key="copy")["Body"].read(), data)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key})
    if not {"..", "."} & set(key.split("/")):  # httpx removes these segments from a URL
        _equal(httpx.get(url).content, data)
    together = [{"Key": one} for one in (key, "copy") if "\x01" not in one]  # boto3 sends it as is, which is no XML
    _equal(s3.delete_objects(Bucket=BUCKET, Delete={"Objects": together}).get("Errors"), None)
    s3.delete_object(Bucket=BUCKET, Key=key)
    _equal([one for one in _listed(s3, prefix=key) if one == key], [])
    s3.put_object(Bucket=BUCKET, Key=key, Body=data)


def _listed(s3: Any, size: int = 1000, prefix: str = "", bucket: str = BUCKET) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": size}
    )
    return [one["Key"] for page in pages for one in page.get("Contents", [])]


def _checksum(s3: Any, algorithm: Algorithm) -> None:
    s3.put_object(Bucket=BUCKET, Key="sum", Body=b"hello", ChecksumAlgorithm=algorithm.value)
    found = s3.head_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")
    _equal(found.get(algorithm.element), algorithm.of(b"hello"))
    with _refused("BadDigest", "InvalidRequest"):
        s3.put_object(Bucket=BUCKET, Key="sum", Body=b"hallo", **{algorithm.element: algorithm.of(b"hello")})


def _parts(s3: Any, algorithm: Algorithm) -> None:
    body = large()
    for kind in algorithm.kinds:
        named = {"ChecksumAlgorithm": algorithm.value, "ChecksumType": kind.value}
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", **named)["UploadId"]
        parts = []
        for number, at in enumerate(range(0, len(body), 8 << 20), start=1):
            part = body[at : at + (8 << 20)]
            place = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload, "PartNumber": number}
            sent = s3.upload_part(**place, Body=part, ChecksumAlgorithm=algorithm.value)
            _equal(sent[algorithm.element], algorithm.of(part))
            parts.append({"PartNumber": number, "ETag": sent["ETag"], algorithm.element: sent[algorithm.element]})
        place = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload}
        done = s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        _equal(done["ChecksumType"], kind.value)
        if kind == "FULL_OBJECT":
            _equal(done[algorithm.element], algorithm.of(body))
        _equal(s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == body, True)


def _conditional(s3: Any) -> None:
    def put(number: int) -> bool:
        try:
            s3.put_object(Bucket=BUCKET, Key="once", Body=str(number), IfNoneMatch="*")
        except ClientError as error:
            _equal(error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"), True)
            return False
        return True

    with ThreadPoolExecutor(AT_ONCE) as threads:
        _equal(sum(threads.map(put, range(AT_ONCE))), 1)


def _presigned(s3: Any) -> None:
    params = {"Bucket": BUCKET, "Key": "presigned", "ContentType": "text/plain"}
    url = s3.generate_presigned_url("put_object", Params=params)
    right = {"Content-Type": "text/plain"}
    for headers, status in (
        ({"Content-Type": "text/html"}, 403),
        ({**right, "x-amz-acl": "private"}, 403),
        (right, 200),
    ):
        _equal(httpx.put(url, content=b"a", headers=headers).status_code, status)
    _equal(s3.head_object(Bucket=BUCKET, Key="presigned")["ContentType"], "text/plain")


def _transfer(s3: Any) -> None:
    config, out = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20), BytesIO()
    s3.upload_fileobj(BytesIO(large()), BUCKET, "large", Config=config)
    s3.download_fileobj(BUCKET, "large", out, Config=config)
    _equal(out.getvalue() == large(), True)


class _refused:  # noqa: N801  # reads as a statement
    """The request inside is refused with one of the codes."""

    def __init__(self, *codes: str) -> None:
        self.codes = codes

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if isinstance(error, ClientError):
            _equal(error.response["Error"]["Code"] in self.codes, True)
            return True
        if error is None:
            raise AssertionError("the request was accepted")
        return False


def _empty(s3: Any, bucket: str = BUCKET) -> None:
    """Delete the bucket with its objects and uploads."""
    for one in _listed(s3, bucket=bucket):
        s3.delete_object(Bucket=bucket, Key=one)
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=bucket)


def obstore_journey(target: Target) -> Tally:
    tally = Tally(f"obstore, {target.name}")
    s3 = boto3.client(
        "s3",
        endpoint_url=target.url,
        region_name="us-east-1",
        aws_access_key_id=target.main.access_key,
        aws_secret_access_key=target.main.secret,
    )
    s3.create_bucket(Bucket=OBSTORE_BUCKET)
    store = S3Store(
        OBSTORE_BUCKET,
        endpoint=target.url,
        region="us-east-1",
        access_key_id=target.main.access_key,
        secret_access_key=target.main.secret,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    try:
        for name, step in _OBSTORE.items():
            _try(tally, name, partial(step, store))
    finally:
        _try(tally, "the bucket is emptied and deleted", lambda: _empty(s3, OBSTORE_BUCKET))
    return tally


def _obstore_put(store: S3Store) -> None:
    for name in ("plain.txt", "folder/é ü 日本 +&.txt", "empty"):
        store.put(name, content(name))
        _equal(bytes(store.get(name).bytes()), content(name))
        _equal(store.head(name)["size"], len(content(name)))


def _obstore_parts(store: S3Store) -> None:
    store.put("large", large(), chunk_size=5 << 20)
    _equal(bytes(store.get("large").bytes()) == large(), True)
    _equal(
        [bytes(one) for one in store.get_ranges("large", starts=[0, 9 << 20], lengths=[3, 5])],
        [
            large()[:3],
            large()[9 << 20 : (9 << 20) + 5],
        ],
    )
    with obstore.open_writer(store, "written") as writer:
        writer.write(large())
    _equal(store.head("written")["size"], len(large()))


def _obstore_create(store: S3Store) -> None:
    store.put("once", b"a", mode="create")
    try:
        store.put("once", b"b", mode="create")
    except obstore.exceptions.AlreadyExistsError:
        return
    raise AssertionError("the second create was accepted")


def _obstore_moves(store: S3Store) -> None:
    store.put("moves/from", b"a")
    store.copy("moves/from", "moves/to")
    store.rename("moves/to", "moves/renamed")
    _equal(bytes(store.get("moves/renamed").bytes()), b"a")
    _equal(_names(store), {"moves/from", "moves/renamed"})
    _equal("moves" in store.list_with_delimiter()["common_prefixes"], True)
    store.delete(["moves/from", "moves/renamed"])
    _equal(_names(store), set())


def _names(store: S3Store) -> set[str]:
    return {one["path"] for page in store.list(prefix="moves") for one in page}


_OBSTORE: Final[dict[str, Callable[[S3Store], None]]] = {
    "objects come back": _obstore_put,
    "parts and ranges come back": _obstore_parts,
    "create refuses an object that exists": _obstore_create,
    "copy, rename, list and delete": _obstore_moves,
}


def javascript(target: Target, packages: Path) -> Tally:
    """Run `sdk.mjs`. `packages`: a folder in which the AWS SDK for JavaScript is installed."""
    tally = Tally(f"@aws-sdk/client-s3, {target.name}")
    program = packages / "sdk.mjs"
    program.write_bytes((Path(__file__).parent / "sdk.mjs").read_bytes())
    done = subprocess.run(
        ("node", program),
        cwd=packages,
        env={
            "PATH": os.environ["PATH"],
            "S3_URL": target.url,
            "S3_ACCESS_KEY": target.main.access_key,
            "S3_SECRET": target.main.secret,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=STEP_SECONDS,
    )
    for line in done.stdout.splitlines():
        one = json.loads(line)
        tally.check(one["right"], one["name"], one["found"])
    tally.check(done.returncode == 0, "the program ends", done.stderr[-300:])
    return tally
