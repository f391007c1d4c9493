"""Public HTTP of tenant-auth: `/v1/auth`."""

from __future__ import annotations

from bunbase.tenant_auth.routes import self_service, users

ROUTES = (*self_service.ROUTES, *users.ROUTES)
