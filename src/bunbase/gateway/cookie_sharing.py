"""Decides whether a page of another origin may read the response to a request with the cookie of a project."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from litestar import Request
from litestar.datastructures import Headers

from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import ProjectNotFound
from bunbase.contracts.scopes import PROJECT_ID
from bunbase.gateway.credentials import PROJECT_PARAMETER, client_ip, project_key, sent_once
from bunbase.gateway.frame import CALLER
from bunbase.gateway.guards import Guards
from bunbase.gateway.project_hosts import FUNCTIONS
from bunbase.pkg.errors import Problem
from bunbase.pkg.http import HOST_SLUG


class ProjectSharing:
    def __init__(self, guards: Guards, trusted_proxies: Container[str]) -> None:
        self.identity = guards.identity
        self.clients = guards.clients
        self.trusted_proxies = trusted_proxies
        self.cookies = guards.clients.cookies

    async def shares_answer(self, scope: Any, origin: str) -> bool:
        """True if the request was sent to a project that allows pages of this origin to use its cookie."""
        project = self._project(scope)
        try:
            return bool(project) and await self.cookies.shares(project, origin)
        except Problem:  # A failed check must not make the response itself fail.
            return False

    async def shares_preflight(self, scope: Any, origin: str) -> bool:
        """True if the project of the request allows pages of this origin to use its cookie.

        A preflight has no headers that name the project. So a preflight is allowed if any project allows the origin.
        The request that follows is checked for its own project.
        """
        try:
            project = await self._named(scope)
            return await (self.cookies.is_origin(origin) if project is None else self.cookies.shares(project, origin))
        except Problem:
            return False

    async def _named(self, scope: Any) -> str | None:
        """Return the project that the request names by its host or by the URL of a function, or None. Raises: a
        Problem.
        """
        slug = scope.get("state", {}).get(HOST_SLUG)
        if slug is not None:
            return await self.identity.project_of(slug)
        request = Request[Any, Any, Any](scope)
        parameters = request.query_params
        if not scope["path"].startswith(FUNCTIONS):
            return None
        key = project_key({}, parameters)
        if key:
            return (await self.clients.holder(key, client_ip(request, self.trusted_proxies))).project
        project = sent_once(parameters, PROJECT_PARAMETER, "parameter")
        if project and not PROJECT_ID.fullmatch(project):
            raise ProjectNotFound
        return project or None

    def _project(self, scope: Any) -> str:
        """Return the project of the caller. If the request was already refused, return the project of its key."""
        caller: Caller | None = scope.get("state", {}).get(CALLER)
        if caller is not None and caller.project:
            return caller.project
        try:
            key = project_key(Headers.from_scope(scope), Request[Any, Any, Any](scope).query_params)
        except Problem:
            return ""
        holder = self.identity.known_holder(key) if key else None
        return holder.project if holder else ""
