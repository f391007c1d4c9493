"""Public HTTP of BunAuth: `/api/auth`, `/.well-known`, `/oauth` and the pages at `/account`."""

from __future__ import annotations

from bunbase.bunauth.routes import (
    accounts,
    activity,
    administration,
    devices,
    email,
    external_login,
    factors,
    invites,
    oauth_clients,
    openid,
    openid_pages,
    page_sign_in,
    pages,
    passkeys,
    personal_tokens,
    sessions,
    well_known,
)

ROUTES = (
    *accounts.ROUTES,
    *devices.ROUTES,
    *email.ROUTES,
    *factors.ROUTES,
    *passkeys.ROUTES,
    *external_login.ROUTES,
    *invites.ROUTES,
    *oauth_clients.ROUTES,
    *openid.ROUTES,
    *openid_pages.ROUTES,
    *page_sign_in.ROUTES,
    *pages.ROUTES,
    *sessions.ROUTES,
    *activity.ROUTES,
    *personal_tokens.ROUTES,
    *well_known.ROUTES,
    *administration.ROUTES,
)
