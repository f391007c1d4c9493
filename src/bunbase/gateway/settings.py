"""Settings of the gateway."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from bunbase.pkg.http1.limits import CONNECTIONS, PER_ADDRESS

AUTO: Final = "auto"

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class GatewaySettings(msgspec.Struct, frozen=True):
    """`public_url`: how the world reaches this installation; empty: `http://<host>:<port>`.

    `cors_origins`: origins whose pages may read answers; `auto`: in dev mode those of this machine, in production all.
    `trusted_proxies`: addresses and networks (`10.0.0.0/8`) whose X-Forwarded-For is believed. `fast_lane`: answer hot
    routes without the web framework; the answers are the same. `max_connections`, `max_connections_per_address`: open
    at once, in all and from one address (IPv6: from one /64); those of `trusted_proxies` count only in all. Where the
    process may open few files, fewer: half of them in all, an eighth from one address.

    Limits, each counted per pool of accounts (developers, or one project's users): `failed_logins_per_minute` from one
    address; `failed_logins_per_account_per_minute` for one account from one address; beyond
    `failed_logins_per_account_per_hour`, sign-ins to that account from addresses it never used go one by one.
    `signups_per_hour` from one address. `token_requests_per_minute` from one address: refreshes and custom
    tokens; and, for all pools together, keys and tokens that turn out not to be valid.
    """

    host: str = "127.0.0.1"
    port: Port = 7070
    public_url: str = ""
    cors_origins: tuple[str, ...] = (AUTO,)
    trusted_proxies: tuple[str, ...] = ()
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 30)] = 2 << 20
    failed_logins_per_minute: Count = 20
    failed_logins_per_account_per_minute: Count = 10
    failed_logins_per_account_per_hour: Count = 100
    signups_per_hour: Count = 100
    token_requests_per_minute: Count = 1200
    cached_credentials: Count = 50_000
    fast_lane: bool = True
    max_connections: Count = CONNECTIONS
    max_connections_per_address: Count = PER_ADDRESS
