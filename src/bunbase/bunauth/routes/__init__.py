"""Public HTTP of BunAuth: `/api/auth` and `/.well-known`."""

from __future__ import annotations

from bunbase.bunauth.routes import accounts, email, external_login, invites, personal_tokens, sessions, well_known

ROUTES = (
    *accounts.ROUTES,
    *email.ROUTES,
    *external_login.ROUTES,
    *invites.ROUTES,
    *sessions.ROUTES,
    *personal_tokens.ROUTES,
    *well_known.ROUTES,
)
