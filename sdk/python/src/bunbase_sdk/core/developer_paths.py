"""Paths of the routes for developers, which only a personal access token reaches."""

from __future__ import annotations

from bunbase_sdk.core.transport import Transport, path


def project_path(transport: Transport, *parts: str) -> str:
    """Return a path below the project. Raises: Problem, if the credential cannot reach it."""
    transport.credential.check(True)
    return f"/api/projects{path(transport.credential.project or '', *parts)}"
