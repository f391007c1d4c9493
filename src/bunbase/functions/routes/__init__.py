"""The HTTP routes of Functions: `/api/projects/{project}/{functions,env,jobs,walks,…}` and `/v1/{functions,jobs}`."""

from __future__ import annotations

from bunbase.functions.routes import environment, functions, invoke, logs, statistics, triggers, walks

ROUTES = (
    *functions.ROUTES,
    *logs.ROUTES,
    *environment.ROUTES,
    *triggers.ROUTES,
    *walks.ROUTES,
    *statistics.ROUTES,
    *invoke.ROUTES,
)
