"""Public HTTP of BunAuth: `/api/auth` and `/.well-known`."""

from __future__ import annotations

from bunbase.bunauth.routes import accounts, administration, personal_tokens, sessions, well_known

ROUTES = (
    *accounts.ROUTES,
    *sessions.ROUTES,
    *personal_tokens.ROUTES,
    *well_known.ROUTES,
    *administration.ROUTES,
)
