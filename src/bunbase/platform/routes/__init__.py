"""Public HTTP of Platform: `/api/projects`, `/api/orgs` and `/api/invites`."""

from __future__ import annotations

from bunbase.platform.routes import invite_page, invites, keys, members, orgs, projects

ROUTES = (*projects.ROUTES, *keys.ROUTES, *members.ROUTES, *invites.ROUTES, *invite_page.ROUTES, *orgs.ROUTES)
