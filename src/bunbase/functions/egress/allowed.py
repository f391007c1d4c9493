"""`allow_net`: the hosts that a version of a function may reach.

    api.example.com          https, port 443
    api.example.com:8443     https, this port
    *.example.com            any host below example.com, not example.com itself
    http://legacy.example    plain http, port 80
    *                        any public host, https, port 443; also *:8443 and http://*

An entry without a scheme never allows http. Otherwise a redirect could lead to an unencrypted connection.

`*` is meant for functions that call URLs of their users. So a user of the app chooses the host. Therefore `*` allows
neither the private networks that the operator has opened nor the use of the project's secrets (`Reach.ANY_PUBLIC`).
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final, assert_never

import msgspec

from bunbase.contracts.functions.host_calls import HostNotAllowed
from bunbase.functions.egress.addressed import PORTS, Target
from bunbase.pkg.errors import InvalidInput

LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
ENTRY: Final = re.compile(
    rf"(?:(?P<scheme>https?)://)?(?:(?P<any>\*)|(?P<below>\*\.)?(?P<host>{LABEL}(?:\.{LABEL})*|\[[0-9a-f:.]{{2,45}}\]))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
MAX_ENTRY_LENGTH: Final = 280


class Hosts(Enum):
    ONE = "the host itself"
    BELOW = "every host below it, but not the host itself"
    ANY = "every public host"


class Reach(Enum):
    """The permission for a host. NAMED: an entry names the host. ANY_PUBLIC: only the entry `*` allows the host."""

    NAMED = "named"
    ANY_PUBLIC = "any public"


class AllowedHost(msgspec.Struct, frozen=True):
    """One entry of `allow_net`. `host`: empty for `*`."""

    scheme: str
    host: str
    port: int
    hosts: Hosts

    def covers(self, target: Target) -> bool:
        if (self.scheme, self.port) != (target.scheme, target.port):
            return False
        match self.hosts:
            case Hosts.ONE:
                return target.host == self.host
            case Hosts.BELOW:
                return target.host.endswith(f".{self.host}")
            case Hosts.ANY:
                return True
            case _:
                assert_never(self.hosts)


def check_allow_net(entries: tuple[str, ...]) -> None:
    """Check the entries of a new version. Raises: InvalidInput, which names the invalid entry."""
    for at, entry in enumerate(entries):
        try:
            read_entry(entry)
        except ValueError as error:
            raise InvalidInput.at(f"/config/allow_net/{at}", f"allow_net: {entry[:80]!r} {error}") from None


def read_entry(text: str) -> AllowedHost:
    """Parse one entry. Raises: ValueError with the reason."""
    found = ENTRY.fullmatch(text.lower()) if len(text) <= MAX_ENTRY_LENGTH else None
    if found is None:
        raise ValueError("is not a host: write api.example.com, *.example.com, api.example.com:8443, http://host or *.")
    if found["below"] and (found["host"].startswith("[") or "." not in found["host"]):
        raise ValueError("covers too many hosts: write at least two names after the asterisk, as in *.example.com.")
    scheme = found["scheme"] or "https"
    port = int(found["port"]) if found["port"] else PORTS[scheme]
    if not 1 <= port <= 65535:
        raise ValueError("has a port that is not from 1 to 65535.")
    if found["any"]:
        return AllowedHost(scheme, "", port, Hosts.ANY)
    return AllowedHost(scheme, _host(found["host"]), port, Hosts.BELOW if found["below"] else Hosts.ONE)


def _host(text: str) -> str:
    """Return the host in the form that URLs use, but without brackets around an IPv6 address. Raises: ValueError."""
    if not text.startswith("["):
        return text
    try:
        return IPv6Address(text.strip("[]")).compressed
    except AddressValueError:
        raise ValueError("is not an IPv6 address.") from None


def check_allowed(entries: tuple[str, ...], target: Target) -> Reach:
    """Check that an entry allows the target. Raises: HostNotAllowed, which names the missing entry."""
    covering = [entry for entry in _read(entries) if entry.covers(target)]
    if not covering:
        needed = entry_for(target)
        raise HostNotAllowed(
            f"This function may not reach {needed}. Add {needed!r} to its allow_net in bunbase.toml, and deploy it.",
            host=needed,
        )
    return Reach.ANY_PUBLIC if all(entry.hosts is Hosts.ANY for entry in covering) else Reach.NAMED


def entry_for(target: Target) -> str:
    """Return the entry of `allow_net` that names the host of the target."""
    return target.authority if target.scheme == "https" else f"http://{target.authority}"


@lru_cache(1024)
def _read(entries: tuple[str, ...]) -> tuple[AllowedHost, ...]:
    """Parse the entries and skip invalid entries, because older versions of BunBase did not check the entries."""
    read = []
    for entry in entries:
        try:
            read.append(read_entry(entry))
        except ValueError:
            continue
    return tuple(read)
