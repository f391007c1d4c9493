"""`allow_net`: the hosts that a version of a function may reach.

    api.example.com          https, port 443
    api.example.com:8443     https, this port
    *.example.com            any host below example.com, not example.com itself
    http://legacy.example    plain http, port 80

An entry without a scheme never allows http. Otherwise a redirect could lead to an unencrypted connection.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

import msgspec

from bunbase.contracts.functions.host_calls import HostNotAllowed
from bunbase.functions.egress.addressed import PORTS, Target
from bunbase.pkg.errors import InvalidInput

LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
ENTRY: Final = re.compile(
    rf"(?:(?P<scheme>https?)://)?(?P<below>\*\.)?(?P<host>{LABEL}(?:\.{LABEL})*|\[[0-9a-f:.]{{2,45}}\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
MAX_ENTRY_LENGTH: Final = 280


class AllowedHost(msgspec.Struct, frozen=True):
    """One entry of `allow_net`. `below`: True if the entry allows every host below `host`, but not `host` itself."""

    scheme: str
    host: str
    port: int
    below: bool

    def covers(self, target: Target) -> bool:
        if (self.scheme, self.port) != (target.scheme, target.port):
            return False
        return target.host.endswith(f".{self.host}") if self.below else target.host == self.host


def check_allow_net(entries: tuple[str, ...]) -> None:
    """Check the entries of a new version. Raises: InvalidInput that names the invalid entry."""
    for at, entry in enumerate(entries):
        try:
            read_entry(entry)
        except ValueError as error:
            raise InvalidInput.at(f"/config/allow_net/{at}", f"allow_net: {entry[:80]!r} {error}") from None


def read_entry(text: str) -> AllowedHost:
    """Parse one entry. Raises: ValueError with the reason."""
    found = ENTRY.fullmatch(text.lower()) if len(text) <= MAX_ENTRY_LENGTH else None
    if found is None:
        raise ValueError("is not a host: write api.example.com, *.example.com, api.example.com:8443 or http://host.")
    if found["below"] and (found["host"].startswith("[") or "." not in found["host"]):
        raise ValueError("covers too many hosts: write at least two names after the asterisk, as in *.example.com.")
    scheme = found["scheme"] or "https"
    port = int(found["port"]) if found["port"] else PORTS[scheme]
    if not 1 <= port <= 65535:
        raise ValueError("has a port that is not from 1 to 65535.")
    return AllowedHost(scheme, _host(found["host"]), port, found["below"] is not None)


def _host(text: str) -> str:
    """Return the host in the form that URLs use, but an IPv6 address without brackets. Raises: ValueError."""
    if not text.startswith("["):
        return text
    try:
        return IPv6Address(text.strip("[]")).compressed
    except AddressValueError:
        raise ValueError("is not an IPv6 address.") from None


def check_allowed(entries: tuple[str, ...], target: Target) -> None:
    """Check that an entry allows the target. Raises: HostNotAllowed that names the missing entry."""
    if not any(entry.covers(target) for entry in _read(entries)):
        needed = target.authority if target.scheme == "https" else f"http://{target.authority}"
        raise HostNotAllowed(
            f"This function may not reach {needed}. Add {needed!r} to its allow_net in bunbase.toml, and deploy it.",
            host=needed,
        )


@lru_cache(1024)
def _read(entries: tuple[str, ...]) -> tuple[AllowedHost, ...]:
    """Parse the entries and skip invalid ones: BunBase did not always check the entries at a deployment."""
    read = []
    for entry in entries:
        try:
            read.append(read_entry(entry))
        except ValueError:
            continue
    return tuple(read)
