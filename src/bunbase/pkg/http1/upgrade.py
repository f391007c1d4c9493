"""Requests with both an Upgrade header and a body, such as those of `curl --http2 -d …` and of Java's HttpClient.

This server only supports HTTP/1.1, and a server may ignore Upgrade (RFC 9110 section 7.8). But the parser does not
ignore it: after a head with Upgrade, the parser treats all data as data of the other protocol, even the body. So the
protocol passes the head to a new parser once more, without the Upgrade header.
"""

from __future__ import annotations

from bunbase.pkg.http1.head import Headers


def brings_a_body(headers: Headers) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in headers)


def head_without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """Return the bytes of the same head without its Upgrade header. `headers`: the headers with names in lower case."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers if header[0] != b"upgrade"])
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version.encode(), lines)
