"""Requests that botocore signs, and the check of a server: find the secret, then verify."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.signature import Payload, SignedRequest, parse, verify
from bunbase.pkg.s3.uri import Pair

KEY: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOST: Final = "files.example.com:7073"
NOW: Final = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Request:
    """A request as on the wire."""

    method: str
    path: bytes
    query: bytes
    headers: tuple[Pair, ...]

    def with_header(self, name: bytes, value: bytes) -> Request:
        return replace(self, headers=(*(pair for pair in self.headers if pair[0] != name), (name, value)))


def check(request: Request, now: datetime = NOW) -> tuple[SignedRequest, Payload]:
    """Parse and verify a request, as a server with one credential does."""
    signed = parse(request.method, request.path, request.query, request.headers)
    if signed.access_key != KEY:
        raise S3Error("InvalidAccessKeyId", "unknown")
    return signed, verify(signed, SECRET, now)


def signed_by_botocore(
    method: str,
    target: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    expires: int | None = None,
    sha256: str = "",
) -> Request:
    """Return a request that botocore has signed.

    `target`: the escaped path and query. `expires`: makes it presigned. `sha256`: the header in place of the hash.
    """
    request = AWSRequest(method, f"http://{HOST}{target}", headers=headers or {}, data=body)
    credentials = Credentials(KEY, SECRET)
    with _clock(NOW):
        if expires is None:
            auth = botocore.auth.S3SigV4Auth(credentials, "s3", "eu-central-1")
            if sha256:
                auth.payload = lambda _: sha256
            auth.add_auth(request)
        else:
            botocore.auth.S3SigV4QueryAuth(credentials, "s3", "eu-central-1", expires=expires).add_auth(request)
    parts = urlsplit(request.url)
    sent = [
        (b"host", HOST.encode()),
        *((name.lower().encode(), value.encode()) for name, value in request.headers.items()),
    ]
    return Request(method, parts.path.encode(), parts.query.encode(), tuple(sent))


@contextmanager
def _clock(at: datetime) -> Iterator[None]:
    """Let botocore sign at another time."""
    module: Any = botocore.auth
    before = module.get_current_datetime
    module.get_current_datetime = lambda remove_tzinfo=True: at.replace(tzinfo=None) if remove_tzinfo else at
    try:
        yield
    finally:
        module.get_current_datetime = before
