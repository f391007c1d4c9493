"""Public HTTP of Platform: `/api/projects`, `/api/orgs`, `/api/invites`, and `DELETE /api/auth/me`."""

from __future__ import annotations

from bunbase.platform.routes import invite_page, invites, keys, leaving, members, orgs, projects

ROUTES = (
    *projects.ROUTES,
    *keys.ROUTES,
    *members.ROUTES,
    *invites.ROUTES,
    *invite_page.ROUTES,
    *orgs.ROUTES,
    *leaving.ROUTES,
)
