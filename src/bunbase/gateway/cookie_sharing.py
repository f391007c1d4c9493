"""Which pages of other origins may read answers to requests with the cookie of a project: those that it allows."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.datastructures import Headers

from bunbase.contracts.caller import Caller
from bunbase.gateway.credentials import project_key
from bunbase.gateway.frame import CALLER
from bunbase.gateway.guards import Guards
from bunbase.pkg.errors import Problem


class ProjectSharing:
    def __init__(self, guards: Guards) -> None:
        self.identity = guards.identity
        self.cookies = guards.clients.cookies

    async def shares_answer(self, scope: Any, origin: str) -> bool:
        """True if the request was sent to a project that allows pages of this origin to use its cookie."""
        project = self._project(scope)
        try:
            return bool(project) and await self.cookies.shares(project, origin)
        except Problem:  # the answer itself must not fail with this
            return False

    async def shares_preflight(self, origin: str) -> bool:
        """True if a project allows pages of this origin to use its cookie. The request that follows is checked."""
        try:
            return await self.cookies.is_origin(origin)
        except Problem:
            return False

    def _project(self, scope: Any) -> str:
        """Return the project of the caller; for a request that was refused before, that of its key."""
        caller: Caller | None = scope.get("state", {}).get(CALLER)
        if caller is not None and caller.project:
            return caller.project
        try:
            key = project_key(Headers.from_scope(scope), Request[Any, Any, Any](scope).query_params)
        except Problem:
            return ""
        holder = self.identity.known_holder(key) if key else None
        return holder.project if holder else ""
