"""Access control by parameter names: a handler that has the parameter `member` serves only members of the project.

anyone      Credentials are neither needed nor read: an expired token must not prevent a sign-in.
developer   The request needs a developer's token.
member      The request needs the token of a developer who is a member of the `{project}` in the path.
custodian   The same as member, but the project may be deleted: for its restoration and its destruction.
keyed       The request needs a project key.
operator    The request needs a project key, or a member's token and the project (X-Bunbase-Project or ?project=).
client      The request needs a project key. A token of an end user is optional, and so is X-Bunbase-Explain, which
            asks why rules deny access.
visitor     The same as client, or an anonymous request with `?project=<id>`: functions decide for themselves about
            access. On a project's own host, the host names the project: a request without a key is anonymous.

The credentials are checked before the body is read. Therefore the body of an unknown caller is never parsed, and a
request with missing credentials and an invalid body gets 401, not 400.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from typing import Any, Final

from litestar import Request
from litestar.di import Provide

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.caller import Caller, CallerKind, Developer
from bunbase.contracts.platform import InvalidKey
from bunbase.gateway.credentials import (
    EXPLAIN_HEADER,
    MAX_LENGTH,
    PROJECT_HEADER,
    PROJECT_PARAMETER,
    bearer_token,
    client_ip,
    project_key,
    sender_of,
    sent_once,
)
from bunbase.gateway.frame import CALLER
from bunbase.gateway.guards import Guards
from bunbase.pkg.errors import Forbidden, Unauthenticated
from bunbase.pkg.http import HOST_SLUG

AnyRequest = Request[Any, Any, Any]

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Callers:
    def __init__(self, guards: Guards, trusted_proxies: Container[str], dev: bool = False) -> None:
        self.identity = guards.identity
        self.limits = guards.limits
        self.clients = guards.clients
        self.trusted_proxies = trusted_proxies
        self.dev = dev

        self.kinds: dict[str, Callable[[AnyRequest], Awaitable[Caller]]] = {
            "anyone": self.anyone,
            "developer": self.developer,
            "member": self.member,
            "custodian": self.custodian,
            "keyed": self.keyed,
            "operator": self.operator,
            "client": self.client,
            "visitor": self.visitor,
        }

    async def admit(self, request: AnyRequest) -> None:
        """Identify the caller if the handler has one of these parameters. Raises: a Problem if access is denied."""
        for name in self.kinds.keys() & request.route_handler.parsed_fn_signature.parameters.keys():
            await self.kinds[name](request)

    def dependencies(self) -> dict[str, Provide]:
        return {name: Provide(_found(), sync_to_thread=False) for name in self.kinds}

    async def anyone(self, request: AnyRequest) -> Caller:
        return self._caller(request, CallerKind.ANONYMOUS)

    async def developer(self, request: AnyRequest) -> Caller:
        return self._caller(request, CallerKind.DEVELOPER, developer=await self._developer(request))

    async def member(self, request: AnyRequest) -> Caller:
        developer = await self._developer(request)
        found = await self.identity.membership(developer.id, request.path_params["project"])
        return self._caller(request, CallerKind.DEVELOPER, project=found.project, developer=developer, role=found.role)

    async def custodian(self, request: AnyRequest) -> Caller:
        developer = await self._developer(request)
        found = await self.identity.custody(developer.id, request.path_params["project"])
        return self._caller(request, CallerKind.DEVELOPER, project=found.project, developer=developer, role=found.role)

    async def keyed(self, request: AnyRequest) -> Caller:
        key = project_key(request.headers, request.query_params)
        if not key:
            raise Unauthenticated("Send the project's key: X-Bunbase-Key: pk_… or sk_….")
        holder = await self.clients.holder(key, client_ip(request, self.trusted_proxies))
        return self._caller(request, holder.kind, project=holder.project)

    async def operator(self, request: AnyRequest) -> Caller:
        if project_key(request.headers, request.query_params):
            return await self.keyed(request)
        developer = await self._developer(request)
        project = sent_once(request.headers, PROJECT_HEADER)
        project = project or sent_once(request.query_params, PROJECT_PARAMETER, "parameter")
        if not project:
            raise Unauthenticated("Name the project: X-Bunbase-Project: <id or slug>.")
        found = await self.identity.membership(developer.id, project)
        return self._caller(request, CallerKind.DEVELOPER, project=found.project, developer=developer, role=found.role)

    async def client(self, request: AnyRequest) -> Caller:
        caller = await self.keyed(request)
        token = bearer_token(request.headers)
        explain = await self._explains(request, caller.project)
        if not token and not explain:
            return caller
        user = await self.identity.end_user(caller.project, token) if token else None
        return self._caller(request, caller.kind, project=caller.project, user=user, explain=explain)

    async def visitor(self, request: AnyRequest) -> Caller:
        slug = request.scope["state"].get(HOST_SLUG)
        if slug is not None:
            return await self._visitor_of(request, await self.identity.project_of(slug))
        if project_key(request.headers, request.query_params):
            return await self.client(request)
        project = sent_once(request.query_params, PROJECT_PARAMETER, "parameter")
        if not project.startswith("prj_"):  # after a project is deleted, another project can take its slug
            raise Unauthenticated(
                "Name the project: send its key as X-Bunbase-Key, or ?project=<id> (prj_…) for a public function."
            )
        return self._caller(request, CallerKind.ANONYMOUS, project=project)

    async def _visitor_of(self, request: AnyRequest, project: str) -> Caller:
        if not project_key(request.headers, request.query_params):
            return self._caller(request, CallerKind.ANONYMOUS, project=project)
        caller = await self.client(request)
        if caller.project != project:
            raise InvalidKey("This key belongs to another project than this host: use the host of the key's project.")
        return caller

    async def _explains(self, request: AnyRequest, project: str) -> bool:
        """True if this caller may see why rules deny access: everybody in dev mode, otherwise members of the project.

        Raises: InvalidToken, TokenExpired, RateLimited, ProjectNotFound, Unreachable.
        """
        asked = sent_once(request.headers, EXPLAIN_HEADER)
        if not asked:
            return False
        if self.dev and asked == "true":
            return True
        if asked == "true" or len(asked) > MAX_LENGTH:
            raise InvalidToken("Send a developer's access token in X-Bunbase-Explain: that of a member of the project.")
        developer = await self._developer_of(request, asked)
        await self.identity.membership(developer.id, project)
        return True

    def _caller(self, request: AnyRequest, kind: CallerKind, **known: Any) -> Caller:
        """Return the Caller, and store it in the request's state, where the log line and the handler find it."""
        caller = sender_of(request, self.trusted_proxies).caller(kind, **known)
        request.scope["state"][CALLER] = caller
        return caller

    async def _developer(self, request: AnyRequest) -> Developer:
        token = bearer_token(request.headers)
        if not token:
            raise Unauthenticated("Send a developer's access token: Authorization: Bearer <token>.")
        developer = await self._developer_of(request, token)
        if not developer.session and "write" not in developer.scopes and request.method not in READING:
            raise Forbidden("This personal access token may only read; make a token with the scope `write`.")
        return developer

    async def _developer_of(self, request: AnyRequest, token: str) -> Developer:
        """Raises: InvalidToken, TokenExpired, RateLimited, Unreachable."""
        if self.identity.knows_developer(token):
            return await self.identity.developer(token)
        ip = client_ip(request, self.trusted_proxies)
        return await self.limits.look_up(ip, token, lambda: self.identity.developer(token))


def _found() -> Callable[[AnyRequest], Any]:
    """Return a new dependency at each call, because Litestar does not accept the same function under two names."""

    def give(request: AnyRequest) -> Any:
        return request.scope["state"][CALLER]

    return give
