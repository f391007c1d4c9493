"""Validates a request's head by the rules of RFC 9112. A pure function turns bytes into a Head or a Problem.

The parser (llhttp) has already checked the syntax of each line. llhttp accepts several spaces in the request line as
one space, which RFC 9112 §3 allows. This file checks the version, the form of the target, the Host header and the
framing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

import msgspec

from bunbase.pkg.errors import Malformed, NotSupported, VersionNotSupported

Headers = list[tuple[bytes, bytes]]

# This whitespace may stand around a header's value, and is not part of the value (RFC 9110 §5.5).
BLANKS: Final = b" \t"
ASTERISK: Final = b"*"
HIGHEST_PORT: Final = 65535
KNOWN_HOSTS: Final = 1024

# A target must not be ambiguous: fragments are refused, and so are backslashes, which browsers treat as slashes.
# Other unescaped characters are allowed, because browsers send some of them.
PATH: Final = re.compile(rb"/[^\x00-\x20\x7f-\xff#\\?]*")
QUERY: Final = re.compile(rb"[^\x00-\x20\x7f-\xff#]*")
ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)
REG_NAME: Final = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")


class Head(msgspec.Struct, frozen=True):
    """A valid head. `path`: the path as it was sent, or `*`. `headers`: the headers with names in lower case and
    trimmed values. If the target contains a host, this is the only Host header.
    """

    path: bytes
    query: bytes
    headers: Headers


def checked_head(method: bytes, target: bytes, version: str, headers: Headers) -> Head:
    """Return the validated head. Raises: Malformed, NotSupported, VersionNotSupported."""
    if version not in ("1.1", "1.0"):
        raise VersionNotSupported("Send the request as HTTP/1.1 or HTTP/1.0.")
    if method == b"CONNECT":
        raise NotSupported("This server is not a proxy: it does not support CONNECT.")
    _check_host(version, headers)
    _check_framing(version, headers)
    if absolute := ABSOLUTE.fullmatch(target):
        authority, target = absolute.groups()
        headers = _with_host(authority, headers)
        target = _origin_form(method, target)
    if target == ASTERISK:
        if method != b"OPTIONS":
            raise Malformed("Only OPTIONS may have the target *.")
        return Head(target, b"", headers)
    path, _, query = target.partition(b"?")
    if not PATH.fullmatch(path) or not QUERY.fullmatch(query):
        raise Malformed("Send a target such as /path?query, escaped, and without a fragment (RFC 9112 section 3.2).")
    return Head(path, query, headers)


@lru_cache(maxsize=KNOWN_HOSTS)
def is_host(value: bytes) -> bool:
    """True if the value is `uri-host [":" port]`, or empty."""
    if value.startswith(b"["):
        host, bracket, rest = value[1:].partition(b"]")
        return bool(bracket) and _is_ipv6(host) and (not rest or (rest[:1] == b":" and _is_port(rest[1:])))
    host, colon, port = value.partition(b":")
    return REG_NAME.fullmatch(host) is not None and (not colon or (bool(host) and _is_port(port)))


def asks_to_close(headers: Headers) -> bool:
    """True if a Connection header names `close`. The parser misses the word if a tab follows it.

    `headers`: the headers, with names in lower case.
    """
    return any(
        name == b"connection" and any(option.strip(BLANKS).lower() == b"close" for option in value.split(b","))
        for name, value in headers
    )


def _check_host(version: str, headers: Headers) -> None:
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise Malformed("Send exactly one Host header (RFC 9112 section 3.2).")
    if hosts and not is_host(hosts[0]):
        raise Malformed("Send a Host header with a host and optionally a port, such as api.example.com:8080.")


def _check_framing(version: str, headers: Headers) -> None:
    """Refuse a body whose end cannot be determined (RFC 9112 sections 6.1 and 6.3). Raises: Malformed, NotSupported."""
    lines = [value for name, value in headers if name == b"transfer-encoding"]
    if not lines:
        return
    if version == "1.0":
        raise Malformed("HTTP/1.0 has no Transfer-Encoding: send a Content-Length.")
    *others, last = _codings(lines)
    if last != b"chunked":
        raise Malformed("The last transfer coding must be chunked: otherwise the end of the body is unknown.")
    if others:
        raise NotSupported("Send the body with no other transfer coding than chunked.")


def _codings(lines: Sequence[bytes]) -> list[bytes]:
    return [coding.strip(BLANKS).lower() for coding in b",".join(lines).split(b",")]


def _with_host(authority: bytes, headers: Headers) -> Headers:
    """Return the headers, in which the target's authority replaces the Host header (RFC 9112 section 3.2.2)."""
    if not authority or not is_host(authority):
        raise Malformed("The target must contain a host, optionally with a port.")
    return [(b"host", authority), *(header for header in headers if header[0] != b"host")]


def _origin_form(method: bytes, rest: bytes) -> bytes:
    """Return the path and query of an absolute target.

    For OPTIONS, a target without a path means `*`, the whole server.
    """
    if not rest and method == b"OPTIONS":
        return ASTERISK
    return rest if rest.startswith(b"/") else b"/" + rest


def _is_ipv6(host: bytes) -> bool:
    try:
        return b"%" not in host and bool(IPv6Address(host.decode("ascii")))
    except ValueError:
        return False


def _is_port(port: bytes) -> bool:
    return not port or (port.isdigit() and len(port) <= 5 and int(port) <= HIGHEST_PORT)
