"""Settings of BunAuth."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from bunbase.pkg.sessions import SessionSettings


class Signups(StrEnum):
    AUTO = "auto"  # open in dev, invite in production
    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"

    def on(self, dev: bool) -> Signups:
        """Give what it comes to on this installation: never AUTO."""
        if self is Signups.AUTO:
            return Signups.OPEN if dev else Signups.INVITE
        return self


class BunAuthSettings(SessionSettings, frozen=True):
    """`signups`: who may open an account once there is an administrator. `issuer`: empty for the public URL.

    `setup_token`: what the first account must send, at least 16 characters; empty: in production one is made at the
    first start and printed.
    `service_exchange`: whether programs outside may trade a secret for a service token (`service.exchange` of `/rpc`).
    `service_client_secrets`: those programs by name, each with a secret of at least 32 bytes.
    """

    signups: Signups = Signups.AUTO
    issuer: str = ""
    setup_token: str = ""
    service_exchange: bool = False
    service_client_secrets: dict[str, str] = msgspec.field(default_factory=dict)
