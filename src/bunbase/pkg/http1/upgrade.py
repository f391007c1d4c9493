"""Requests that ask for another protocol, and bring a body along: `curl --http2 -d …`, Java's HttpClient.

We speak HTTP/1.1 alone and may pass over the question (RFC 9110 section 7.8). The parser does not: behind such a head
it takes everything for the other protocol, the body too. So it is given the head once more, without the question.
"""

from __future__ import annotations

from bunbase.pkg.http1.head import Headers


def brings_a_body(headers: Headers) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in headers)


def head_without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """Return a head as bytes that says all the same, but does not ask. `headers`: names in lower case."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers if header[0] != b"upgrade"])
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version.encode(), lines)
