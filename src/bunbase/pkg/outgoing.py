"""Small requests to servers that the operator has named: an identity provider, a list of breached passwords.

The deadline covers the whole request. Redirects are not followed, proxies of the environment are not used, and an
answer that is too long is an error. A document of such a server may name other servers (OpenID Connect Discovery does).
Such servers may only have public addresses, so that a document cannot direct requests into the private network of this
server. The address is checked when the connection is made. So an attacker gains nothing by changing the address of a
name after the check (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore
import msgspec

from bunbase.pkg.resolver import LOOK_UPS_PER_PROJECT, NameNotFound, Resolver, SystemResolver

MAX_ANSWER_BYTES: Final = 1 << 20
LOOK_UP_SECONDS: Final = 10.0
COMPATIBLE: Final = IPv6Network("::/96")  # These are IPv4 addresses in an outdated form (RFC 4291 §2.5.5.1).
NAT64: Final = IPv6Network("64:ff9b::/96")


class RequestFailed(Exception):
    """The server cannot be reached, or its answer is not usable. The message is for the log of the operator."""


class Reply(msgspec.Struct, frozen=True):
    status: int
    body: bytes


class Outgoing:
    """A client for requests to other servers. `trusted`: the hosts that the operator has named. These hosts may have
    private addresses, and may use plain http.

    `keep`: the number of idle connections that stay open. With 0, `close` is not necessary at the end.
    `turns`: the limit of concurrent look-ups of names, which several objects may share.
    """

    def __init__(
        self,
        trusted: Iterable[str],
        deadline_seconds: float,
        keep: int = 20,
        turns: asyncio.Semaphore | None = None,
    ) -> None:
        self.trusted = frozenset(trusted)
        self.deadline_seconds = deadline_seconds
        self.pool = httpcore.AsyncConnectionPool(
            max_connections=20,
            max_keepalive_connections=keep,
            keepalive_expiry=20.0,
            network_backend=CheckedAddresses(self.trusted, turns or new_turns()),
        )

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Send a GET request. Raises: RequestFailed."""
        return await self._send("GET", url, headers, b"")

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send a POST request. Raises: RequestFailed."""
        return await self._send("POST", url, headers, body)

    async def close(self) -> None:
        await self.pool.aclose()

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        host = self._checked_host(url)
        sent = {"user-agent": "BunBase", "accept-encoding": "identity", **headers}
        try:
            async with (
                asyncio.timeout(self.deadline_seconds),
                self.pool.stream(method, url, headers=list(sent.items()), content=body or None) as answer,
            ):
                return Reply(answer.status, await _read(answer, host))
        except TimeoutError:
            raise RequestFailed(f"{host} did not answer within {self.deadline_seconds} s") from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise RequestFailed(f"{host}: {type(error).__name__}: {error}") from None

    def _checked_host(self, url: str) -> str:
        """Return the host of a URL if requests to the URL are allowed. Raises: RequestFailed."""
        try:
            parts = urlsplit(url)
            host, usable = parts.hostname or "", parts.username is None and (parts.port is None or parts.port > 0)
        except ValueError:
            host, usable = "", False
        if not host or not usable or not url.isascii() or not url.isprintable() or " " in url:
            raise RequestFailed("a URL of the server is not valid")
        if parts.scheme != "https" and not (parts.scheme == "http" and host in self.trusted):
            raise RequestFailed(f"{host}: https is required")
        return host


class CheckedAddresses(httpcore.AsyncNetworkBackend):
    """Connects to trusted hosts, and to the public addresses of all other hosts."""

    def __init__(self, trusted: frozenset[str], turns: asyncio.Semaphore) -> None:
        self.trusted = trusted
        self.turns = turns
        self.below = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        address = host if host in self.trusted else _public(host, await self._addresses(host, port))
        return await self.below.connect_tcp(address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("unix sockets are not used")

    async def sleep(self, seconds: float) -> None:
        await self.below.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host to which this object may connect. Raises: httpcore.ConnectError."""
        try:
            return await resolver().addresses(host, port, self.turns)
        except NameNotFound as error:
            raise httpcore.ConnectError(str(error)) from None


@functools.cache
def resolver() -> Resolver:
    """Return the resolver of this process. The threads of the resolver start at the first look-up."""
    return SystemResolver(LOOK_UP_SECONDS, "outgoing-dns")


def new_turns() -> asyncio.Semaphore:
    """Return the limit of concurrent look-ups for one project."""
    return asyncio.Semaphore(LOOK_UPS_PER_PROJECT)


def _public(host: str, found: Iterable[str]) -> str:
    """Return the first public address of a host. Raises: httpcore.ConnectError."""
    for address in found:
        if is_public(address):
            return address
    raise httpcore.ConnectError(f"{host} has no public address, and the settings do not name this host")


def is_public(address: str) -> bool:
    """True for an address of the internet.

    An IPv6 address that stands for an IPv4 address counts as this IPv4 address.
    """
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or _translated(found)
        if inner is not None:
            return is_public(str(inner))
        if found in COMPATIBLE or found.is_site_local or found.teredo is not None:
            return False
    return found.is_global and not found.is_multicast


def _translated(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address to which a gateway of NAT64 would connect (RFC 6052)."""
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None


async def _read(answer: httpcore.Response, host: str) -> bytes:
    body = bytearray()
    async for part in answer.aiter_stream():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise RequestFailed(f"the answer of {host} is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)
