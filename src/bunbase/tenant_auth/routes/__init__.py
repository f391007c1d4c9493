"""Public HTTP of tenant-auth: `/v1/auth`."""

from __future__ import annotations

from bunbase.tenant_auth.routes import external, mails, pages, self_service, sessions, settings, users

ROUTES = (
    *external.ROUTES,
    *mails.ROUTES,
    *pages.ROUTES,
    *self_service.ROUTES,
    *sessions.ROUTES,
    *settings.ROUTES,
    *users.ROUTES,
)
