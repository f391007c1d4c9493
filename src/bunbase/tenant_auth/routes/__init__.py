"""Public HTTP of tenant-auth: `/v1/auth`."""

from __future__ import annotations

from bunbase.tenant_auth.routes import sessions, users

ROUTES = (*sessions.ROUTES, *users.ROUTES)
