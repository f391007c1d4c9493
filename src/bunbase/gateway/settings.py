"""Settings of the gateway."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bunbase.pkg.http1.limits import CONNECTIONS, PER_ADDRESS

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class GatewaySettings(msgspec.Struct, frozen=True):
    """`public_url`: how the world reaches this installation; empty: `http://<host>:<port>`.

    `trusted_proxies`: addresses whose X-Forwarded-For is believed. `failed_logins_per_minute`: wrong passwords from
    one address, or for one account, before sign-in there pauses. `fast_lane`: answer hot routes without the web
    framework; the answers are the same. `max_connections`, `max_connections_per_address`: open at once, in all and
    from one address (IPv6: from one /64); those of `trusted_proxies` count only in all. Where the process may open few
    files, fewer: half of them in all, an eighth from one address.
    """

    host: str = "127.0.0.1"
    port: Port = 7070
    public_url: str = ""
    cors_origins: tuple[str, ...] = ("*",)
    trusted_proxies: tuple[str, ...] = ()
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 30)] = 2 << 20
    failed_logins_per_minute: Count = 20
    cached_credentials: Count = 50_000
    fast_lane: bool = True
    max_connections: Count = CONNECTIONS
    max_connections_per_address: Count = PER_ADDRESS
