"""Public HTTP of tenant-auth: `/v1/auth`."""

from __future__ import annotations

from bunbase.tenant_auth.routes import mails, pages, passwordless, passwords, self_service, sessions, settings, users

ROUTES = (
    *mails.ROUTES,
    *pages.ROUTES,
    *passwordless.ROUTES,
    *passwords.ROUTES,
    *self_service.ROUTES,
    *sessions.ROUTES,
    *settings.ROUTES,
    *users.ROUTES,
)
