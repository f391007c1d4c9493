"""Paths of the routes for developers, which only a personal access token reaches."""

from __future__ import annotations

from bunbase_sdk.core.transport import Transport, path


def project_path(transport: Transport, *parts: str) -> str:
    """Return a path below the project. Raises: Problem, if the credential cannot reach it."""
    transport.credential.check(True)
    return f"/api/projects{path(transport.credential.project or '', *parts)}"


def either_path(transport: Transport, *parts: str) -> str:
    """Return the path of a route that programs find below /v1, and developers below the project."""
    return project_path(transport, *parts) if transport.credential.administers else f"/v1{path(*parts)}"
