"""Settings of the gateway."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from bunbase.pkg.http1.limits import CONNECTIONS, PER_ADDRESS

AUTO: Final = "auto"

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class GatewaySettings(msgspec.Struct, frozen=True):
    """Settings of the gateway. Limits of sign-ins and sign-ups count per pool: all developers, or the users of one
    project.

    `host`: the address that the API listens on; `0.0.0.0` and `::` listen on all interfaces.
    `port`: the port of the API; 0 takes any free port.
    `public_url`: the URL under which clients reach this installation; if empty, `http://<host>:<port>`.
    `cors_origins`: the origins whose pages may read responses. `auto` allows pages of this machine in dev mode, and
    pages of all origins in production.
    `trusted_proxies`: the addresses and networks (`10.0.0.0/8`) of proxies whose X-Forwarded-For the gateway trusts.
    `max_body_bytes`: the limit for the body of a request. Deployments, functions and imports have separate limits.
    `cached_credentials`: the number of checked keys, and the number of checked tokens of each kind, that the gateway
    remembers.
    `fast_lane`: if true, the gateway answers the most frequent requests without the web framework. The answers are the
    same.
    `max_connections`: the limit of open connections in total, without live connections (`live.max_connections`). If the
    process may open only few files, the limit is half of those files.
    `max_connections_per_address`: the limit of open connections from one address (IPv6: one /64). The limit does not
    apply to `trusted_proxies`. If the process may open only few files, the limit is an eighth of those files.

    `failed_logins_per_minute`: the limit of failed sign-ins from one address.
    `failed_logins_per_account_per_minute`: the limit of failed sign-ins to one account from one address.
    `failed_logins_per_account_per_hour`: the limit of failed sign-ins to one account. Above this limit, the server
    slows down sign-ins to the account from addresses that the account never used before, to one at a time.
    `signups_per_hour`: the limit of sign-ups from one address.
    `token_requests_per_minute`: the limit of refreshes and custom tokens from one address. Links that open a
    sign-in by OpenID Connect or another service are counted separately, up to the same number. Invalid keys and tokens
    from one address are also counted separately, over all pools together.
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
