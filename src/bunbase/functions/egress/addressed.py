"""Parses the URL of a request strictly. If two parsers could read a URL differently, the URL is refused."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import quote, urljoin

import msgspec

from bunbase.contracts.functions.host_calls import InvalidFetch

MAX_LENGTH: Final = 16 << 10
VISIBLE: Final = bytes(range(0x21, 0x7F)).decode()
PORTS: Final = {"https": 443, "http": 80}

# A text matches if it has the form that `new URL(text).href` produces, without a user: lower case, with every unusual
# character escaped.
URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][\x21-\x22\x24-\x7e]*)?(?:#[\x21-\x7e]*)?"
)


class Target(msgspec.Struct, frozen=True):
    """A parsed URL. `host`: the host in lower case; an IPv6 address has no brackets.

    `target`: the path and the query.
    """

    scheme: str
    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The host with its port, as the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def read_target(url: str) -> Target:
    """Parse a URL. Raises: InvalidFetch."""
    found = URL.fullmatch(url) if len(url) <= MAX_LENGTH else None
    if found is None:
        raise InvalidFetch("fetch accepts only http and https addresses without a user name.")
    scheme = found["scheme"]
    port = int(found["port"]) if found["port"] else PORTS[scheme]
    if not 1 <= port <= 65535:
        raise InvalidFetch("A port must be a number from 1 to 65535.")
    target = found["target"] or "/"
    return Target(scheme, found["host"].strip("[]"), port, target if target.startswith("/") else f"/{target}")


def follow_location(base: Target, location: bytes) -> Target:
    """Return the target of a Location header, which may be relative to `base`. Raises: InvalidFetch."""
    try:
        joined = urljoin(base.url, quote(location.strip(), safe=VISIBLE))
        scheme, mark, rest = joined.partition("://")
        host = re.match(r"[^/?#]*", rest)
        assert host is not None
        named = f"{scheme.lower()}{mark}{host[0].lower()}{rest[host.end() :]}"
        return read_target(named)
    except ValueError:
        raise InvalidFetch("A redirect leads to an invalid address.") from None
