"""Requests as bytes that are signed before they are measured, and the client of boto3."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import msgspec
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from bench.storage.work import BUCKET, BYTES, REGION, Target

THREADS: Final = 8


class Shot(msgspec.Struct, frozen=True):
    """One request: its head, and the number of bytes of its body."""

    head: bytes
    body: int = 0


def shot(target: Target, method: str, key: str, body: int = 0, range: str = "") -> Shot:
    """Return a request for an object."""
    headers = {"range": range} if range else {}
    if body:
        headers |= {"content-length": str(body), "content-type": BYTES}
    path = f"/{BUCKET}/{key}" if target.is_s3 else f"/v1/storage/objects/{BUCKET}/{key}"
    return Shot(_head(target, method, path, headers), body)


def list_shot(target: Target, bucket: str, prefix: str) -> Shot:
    """Return a request for the first entries of a list with a delimiter: 1,000 of S3, or 500, the most of the API."""
    encoded = prefix.replace("/", "%2F")
    path = (
        f"/{bucket}?delimiter=%2F&list-type=2&max-keys=1000&prefix={encoded}"
        if target.is_s3
        else f"/v1/storage/list/{bucket}?delimiter=%2F&limit=500&prefix={encoded}"
    )
    return Shot(_head(target, "GET", path, {}))


def sdk(target: Target) -> Any:
    """Return a client of boto3 with its default settings, except that it never tries again."""
    config = Config(
        max_pool_connections=THREADS * 2,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
        proxies={},
        read_timeout=120,
    )
    return boto3.client(
        "s3",
        endpoint_url=target.url,
        region_name=REGION,
        aws_access_key_id=target.access_key,
        aws_secret_access_key=target.secret,
        config=config,
    )


def _head(target: Target, method: str, path: str, headers: dict[str, str]) -> bytes:
    if target.is_s3:
        request = AWSRequest(method, target.url + path, headers={**headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
        request.context["client_config"] = Config(s3={"payload_signing_enabled": False})
        S3SigV4Auth(Credentials(target.access_key, target.secret), "s3", REGION).add_auth(request)
        sent = {name.lower(): value for name, value in request.headers.items()}
    else:
        sent = {**headers, "x-bunbase-key": target.key}
    sent["host"] = urlsplit(target.url).netloc
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()
