"""Requests as bytes on a socket, signed by botocore, for what HTTP libraries do not send."""

from __future__ import annotations

import re
import socket
from urllib.parse import urlsplit

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.storage.routes.s3.port import SECRET, WRITER, Port


def signed_head(port: Port, method: str, path: str, sha256: str, **headers: str) -> bytes:
    """Return the head of a request. `sha256`: the value of x-amz-content-sha256."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, port.url + path, headers=sent)
    signer = _Signer(Credentials(WRITER.access_key_id, SECRET), "s3", "us-east-1")
    signer.sha256 = sha256
    signer.add_auth(request)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(port.url).netloc}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "host"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def signed(port: Port, method: str, path: str, body: bytes = b"", **headers: str) -> httpx.Response:
    """Send a request that boto3 has no method for."""
    request = AWSRequest(method, port.url + path, data=body, headers=headers)
    S3SigV4Auth(Credentials(WRITER.access_key_id, SECRET), "s3", "us-east-1").add_auth(request)
    # without `verify`, httpx would read all certificates of the machine for each request: 30 ms
    return httpx.request(method, port.url + path, content=body, headers=dict(request.headers), verify=False)


class Raw:
    def __init__(self, port: Port) -> None:
        parts = urlsplit(port.url)
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> bytes:
        """Return the next answer with its body, or the bytes until the end of the connection."""
        found = b""
        while not _is_whole(found):
            piece = self.socket.recv(65536)
            if not piece:
                return found
            found += piece
        return found

    def close(self) -> None:
        self.socket.close()


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: ([0-9]+)", head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


class _Signer(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    sha256: str

    def payload(self, request: AWSRequest) -> str:
        return self.sha256
