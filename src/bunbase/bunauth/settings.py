"""Settings of BunAuth."""

from __future__ import annotations

from enum import StrEnum

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
    """

    signups: Signups = Signups.AUTO
    issuer: str = ""
    setup_token: str = ""
