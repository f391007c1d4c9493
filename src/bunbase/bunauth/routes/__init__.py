"""Public HTTP of BunAuth: `/api/auth`, `/.well-known` and the pages at `/account`."""

from __future__ import annotations

from bunbase.bunauth.routes import (
    accounts,
    administration,
    devices,
    email,
    invites,
    pages,
    personal_tokens,
    sessions,
    well_known,
)

ROUTES = (
    *accounts.ROUTES,
    *devices.ROUTES,
    *email.ROUTES,
    *invites.ROUTES,
    *pages.ROUTES,
    *sessions.ROUTES,
    *personal_tokens.ROUTES,
    *well_known.ROUTES,
    *administration.ROUTES,
)
