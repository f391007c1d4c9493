"""Paths of the routes for developers, which need a personal access token."""

from __future__ import annotations

from bunbase_sdk.core.transport import Transport, path


def project_path(transport: Transport, *parts: str) -> str:
    """Return a path below the project. Raises: Problem, if the credential cannot use the path."""
    transport.credential.check(True)
    return f"/api/projects{path(transport.credential.project or '', *parts)}"


def either_path(transport: Transport, *parts: str) -> str:
    """Return the path of a route: below /v1 for programs, and below the project for developers."""
    return project_path(transport, *parts) if transport.credential.administers else f"/v1{path(*parts)}"
