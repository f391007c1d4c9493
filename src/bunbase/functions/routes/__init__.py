"""Public HTTP of Functions: `/api/projects/{project}/functions`, `/api/projects/{project}/env`, `/v1/functions`."""

from __future__ import annotations

from bunbase.functions.routes import environment, functions, invoke, logs, statistics

ROUTES = (*functions.ROUTES, *logs.ROUTES, *environment.ROUTES, *statistics.ROUTES, *invoke.ROUTES)
