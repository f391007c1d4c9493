"""Settings of tenant-auth."""

from __future__ import annotations

from bunbase.pkg.sessions import SessionSettings


class TenantAuthSettings(SessionSettings, frozen=True):
    """The same for every project."""
