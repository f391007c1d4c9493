"""Public HTTP of tenant-auth: `/v1/auth`."""

from __future__ import annotations

from bunbase.tenant_auth.routes import mails, pages, passwords, self_service, sessions, settings, users

ROUTES = (
    *mails.ROUTES,
    *pages.ROUTES,
    *passwords.ROUTES,
    *self_service.ROUTES,
    *sessions.ROUTES,
    *settings.ROUTES,
    *users.ROUTES,
)
