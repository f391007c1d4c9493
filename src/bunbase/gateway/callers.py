"""Access control by parameter names: a handler that has the parameter `member` serves only members of the project.

anyone      Credentials are neither needed nor read: an expired token must not prevent a sign-in.
developer   The request needs a developer's token.
member      The request needs the token of a developer who is a member of the `{project}` in the path.
custodian   The same as member, except that the project may be deleted: for its restoration and its destruction.
keyed       The request needs a project key, or a service token in its place (Authorization: Bearer).
operator    The request needs a project key or a service token, or a member's token and the project (X-Bunbase-Project
            or ?project=).
client      The request needs a project key or a service token. With a key, a token of an end user is optional, and so
            is X-Bunbase-Explain, which asks why rules deny access.
accessor    The same as client, or a member's token and the project, as for operator. With X-Bunbase-As, a server or
            member acts as a user.
listener    The same credentials as accessor, for a live connection. The connection checks scopes with each message, and
            checks the credentials again whenever they may have changed. Cookies do not count.
person      The request needs the cookie of the sign-in page (`/oauth`). Only the forms of this page have this caller.
guest       The same as accessor, or an anonymous request with `?project=<id>`: for public files and signed links.
visitor     The same as client, or an anonymous request with `?project=<id>`: functions themselves decide about access.
On a project's own host, the host names the project, and a request without a key is anonymous. X-Bunbase-As works as
for accessor.

The credentials are checked before the body is read. Therefore the body of an unknown caller is never parsed, and a
request with missing credentials and an invalid body gets 401, not 400.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from functools import partial
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.di import Provide

from bunbase.contracts.bunauth.openid import SIGN_IN_COOKIE
from bunbase.contracts.caller import Act, Caller, CallerKind, Developer, EndUser
from bunbase.contracts.platform import InvalidKey, Membership, ProjectNotFound
from bunbase.contracts.project_administration import ProjectSuspended
from bunbase.contracts.service_accounts import TOKEN_TYPE
from bunbase.contracts.tenant_auth.cookies import CookieMode
from bunbase.gateway.acting import acting_as, check_takes
from bunbase.gateway.audit.policy import refined
from bunbase.gateway.checking_again import check_again
from bunbase.gateway.clients import caller_of
from bunbase.gateway.cookie_answers import NOTE, PARAMETER, REFRESH, WANTED, Noted
from bunbase.gateway.cookie_mode import SIGN_INS
from bunbase.gateway.cookie_requests import CSRF_HEADER, SentCookies
from bunbase.gateway.credentials import (
    AS_HEADER,
    EXPLAIN_HEADER,
    PROJECT_HEADER,
    PROJECT_PARAMETER,
    bearer_token,
    client_ip,
    project_key,
    sender_of,
    sent_once,
)
from bunbase.gateway.frame import ACTOR, CALLER
from bunbase.gateway.guards import Guards
from bunbase.gateway.identity import in_time
from bunbase.gateway.live.sign_in import SignIn, offered_by
from bunbase.gateway.origins import check_origin, is_form_of_page
from bunbase.gateway.project_hosts import FUNCTIONS
from bunbase.gateway.route_acts import act_of, check_scopes
from bunbase.pkg.errors import InvalidInput, Unauthenticated
from bunbase.pkg.http import CHECK_AGAIN, HOST_SLUG
from bunbase.pkg.jwt import unverified_claims
from bunbase.pkg.own_cookies import own_cookie

# BunAuth itself checks the proofs for its own acts.
NEEDING_PROOF: Final = frozenset(
    {
        Act.BACKUP_RESTORE_USERS,
        Act.PROJECT_SUSPEND,
        Act.PROJECT_RESUME,
        Act.PROJECT_DELETE,
        Act.USER_BULK,
        Act.USER_EXPORT_HASHES,
        Act.USER_IMPERSONATE,
        Act.USER_KEYS_ROTATE,
        Act.USER_LINK_CREATE,
        Act.VARIABLE_REVEAL,
    }
)

END_USERS: Final = "/v1/auth/"
MAX_LANGUAGE: Final = 200  # The header Accept-Language is read up to this many characters.
READ_ONLY: Final = "Its members may read and export it, but change nothing."

AnyRequest = Request[Any, Any, Any]


class Callers:
    def __init__(
        self, guards: Guards, trusted_proxies: Container[str], dev: bool = False, public_url: str = ""
    ) -> None:
        self.identity = guards.identity
        self.limits = guards.limits
        self.clients = guards.clients
        self.sign_in = SignIn(guards.identity, guards.clients)
        self.trusted_proxies = trusted_proxies
        self.dev = dev
        self.page_cookie = own_cookie(SIGN_IN_COOKIE, public_url)
        self.cookies = guards.clients.cookies

        self.kinds: dict[str, Callable[[AnyRequest], Awaitable[Caller]]] = {
            "anyone": self.anyone,
            "developer": self.developer,
            "member": self.member,
            "custodian": self.custodian,
            "keyed": self.keyed,
            "operator": self.operator,
            "client": self.client,
            "accessor": self.accessor,
            "listener": self.listener,
            "person": self.person,
            "guest": self.guest,
            "visitor": self.visitor,
        }

    async def admit(self, request: AnyRequest) -> None:
        """Identify the caller if the handler has one of these parameters. Raises: a Problem if access is denied."""
        for name in self.kinds.keys() & request.route_handler.parsed_fn_signature.parameters.keys():
            act = act_of(request.method, request.scope["path_template"])
            taken = check_takes(name, act) if AS_HEADER in request.headers else None
            caller = await self.kinds[name](request)
            if act and refined(act, caller, request.path_params, request.query_params.keys()) in NEEDING_PROOF:
                await self._check_proof(caller)
            if request.scope["path_template"] in SIGN_INS:
                await self._note_sign_in(request, caller)
            if caller.limits is not None and name != "listener":
                check_scopes(caller, request.method, request.scope["path_template"])
            if taken:
                await self._act_as(request, caller, taken)

            async def identify(name: str = name, taken: Act | None = taken) -> Caller:
                found = await self.kinds[name](request)
                return await self._act_as(request, found, taken) if taken else found

            request.scope["state"][CHECK_AGAIN] = partial(check_again, self.identity, request.scope["state"], identify)

    async def _act_as(self, request: AnyRequest, caller: Caller, act: Act) -> Caller:
        """Return the Caller that acts as a user, and store both in the request's state. Raises: as `acting_as`."""
        asked, state = sent_once(request.headers, AS_HEADER), request.scope["state"]
        state[ACTOR] = caller
        acting: Caller = await acting_as(self.identity, caller, act, asked)
        state[CALLER] = acting
        return acting

    async def _check_proof(self, caller: Caller) -> None:
        """Check that the user of a session has recently reauthenticated.

        Raises: ReauthenticationRequired, Unreachable.
        """
        if caller.developer and caller.developer.session:
            await in_time(self.identity.bunauth.need_fresh_proof(caller))

    def dependencies(self) -> dict[str, Provide]:
        return {name: Provide(_found(), sync_to_thread=False) for name in self.kinds}

    async def anyone(self, request: AnyRequest) -> Caller:
        return self._caller(request, CallerKind.ANONYMOUS)

    async def developer(self, request: AnyRequest) -> Caller:
        return self._caller(request, CallerKind.DEVELOPER, developer=await self._developer(request))

    async def person(self, request: AnyRequest) -> Caller:
        cookie = request.cookies.get(self.page_cookie, "")
        found = await in_time(self.identity.bunauth.page_session(cookie)) if cookie else None
        if found is None:
            raise Unauthenticated("Nobody is signed in on this page: go back to the application, and sign in there.")
        account = found.account
        developer = Developer(account.id, account.email, account.role == "admin", found.session)
        return self._caller(request, CallerKind.DEVELOPER, developer=developer)

    async def member(self, request: AnyRequest) -> Caller:
        return await self._member_of(request, request.path_params["project"], await self._developer(request))

    async def custodian(self, request: AnyRequest) -> Caller:
        developer = await self._developer(request)
        found = await self.identity.custody(developer.id, request.path_params["project"])
        if found.suspended:
            raise ProjectSuspended(READ_ONLY)
        return self._caller(request, CallerKind.DEVELOPER, project=found.project, developer=developer, role=found.role)

    async def keyed(self, request: AnyRequest) -> Caller:
        key = project_key(request.headers, request.query_params)
        if not key:
            token = _service_token(request)
            if token:
                return await self._service(request, token)
            raise Unauthenticated("Send the project's key: X-Bunbase-Key: pk_… or sk_….")
        holder = await self.clients.holder(key, client_ip(request, self.trusted_proxies))
        if not (holder.kind is CallerKind.PUBLISHABLE and is_form_of_page(request.scope)):
            check_origin(holder, request.headers.get("origin"))
        return self._noted(request, caller_of(sender_of(request, self.trusted_proxies), holder))

    async def operator(self, request: AnyRequest) -> Caller:
        if project_key(request.headers, request.query_params) or _service_token(request):
            return await self.keyed(request)
        developer = await self._developer(request)
        project = _named_project(request)
        if not project:
            raise Unauthenticated("Name the project: X-Bunbase-Project: <id or slug>.")
        return await self._member_of(request, project, developer)

    async def client(self, request: AnyRequest) -> Caller:
        caller = await self.keyed(request)
        with_key = bool(project_key(request.headers, request.query_params))
        # A token that comes without a key is a service token.
        token = bearer_token(request.headers) if with_key else ""
        asked, ip = sent_once(request.headers, EXPLAIN_HEADER), client_ip(request, self.trusted_proxies)
        explain = (await self.clients.explaining.check(ip, asked, caller.project)).allowed
        user = await self.identity.end_user(caller.project, token) if token else None
        if with_key and not token:
            user = await self._user_by_cookie(request, caller)
        if user is None and not explain:
            return caller
        return self._noted(request, msgspec.structs.replace(caller, user=user, explain=explain))

    async def accessor(self, request: AnyRequest) -> Caller:
        if project_key(request.headers, request.query_params) or _service_token(request):
            return await self.client(request)
        if not _named_project(request):
            raise Unauthenticated(
                "Send the project's key: X-Bunbase-Key: pk_… or sk_…. A member of the project sends an access token "
                "and X-Bunbase-Project: <id or slug>."
            )
        return await self.operator(request)

    async def listener(self, request: AnyRequest) -> Caller:
        offered = offered_by(request.headers, request.query_params)
        if not offered.key and not offered.token:
            raise Unauthenticated("Send the project's key, or a developer's access token and X-Bunbase-Project.")
        signed = await self.sign_in.check(
            sender_of(request, self.trusted_proxies), sent_once(request.headers, "origin") or None, offered
        )
        request.scope["state"][CALLER] = signed.caller
        return signed.caller

    async def guest(self, request: AnyRequest) -> Caller:
        if project_key(request.headers, request.query_params) or bearer_token(request.headers):
            return await self.accessor(request)
        project = sent_once(request.query_params, PROJECT_PARAMETER, "parameter")
        if not project.startswith("prj_"):  # After a project is deleted, another project can take its slug.
            raise Unauthenticated(
                "Send the project's key as X-Bunbase-Key. A signed link and a public file need ?project=<id> (prj_…)."
            )
        await self.identity.check_active(project)
        return self._caller(request, CallerKind.ANONYMOUS, project=project)

    async def visitor(self, request: AnyRequest) -> Caller:
        slug = request.scope["state"].get(HOST_SLUG)
        if slug is not None:
            return await self._visitor_of(request, await self.identity.project_of(slug))
        if project_key(request.headers, request.query_params):
            return await self.client(request)
        project = sent_once(request.query_params, PROJECT_PARAMETER, "parameter")
        if not project and _service_token(request):
            return await self.client(request)
        if not project.startswith("prj_"):  # After a project is deleted, another project can take its slug.
            raise Unauthenticated(
                "Name the project: send its key as X-Bunbase-Key, or ?project=<id> (prj_…) for a public function."
            )
        await self.identity.check_active(project)
        return await self._visitor_by_cookie(request, project)

    async def _visitor_of(self, request: AnyRequest, project: str) -> Caller:
        if not project_key(request.headers, request.query_params):
            return await self._visitor_by_cookie(request, project)
        caller = await self.client(request)
        if caller.project != project:
            raise InvalidKey("This key belongs to another project than this host: use the host of the key's project.")
        return caller

    async def _visitor_by_cookie(self, request: AnyRequest, project: str) -> Caller:
        """Return a visitor of a function. A user who is signed in by cookie needs no key to open a page."""
        caller = self._caller(request, CallerKind.ANONYMOUS, project=project)
        if not request.scope["path_template"].startswith(FUNCTIONS):
            return caller
        user = await self._user_by_cookie(request, caller)
        return self._caller(request, CallerKind.PUBLISHABLE, project=project, user=user) if user else caller

    async def _user_by_cookie(self, request: AnyRequest, caller: Caller) -> EndUser | None:
        """Return the user of the project's cookie, or None.

        Raises: CookieEnded, CsrfRefused, Malformed, RateLimited, Unreachable.
        """
        project, sent, route = caller.project, _cookies(request, caller), request.scope["path_template"]
        found = await self.cookies.user(project, sent, caller.ip, route, _own_host(request))
        if found is None:
            return None
        if found.user is None:
            self._note(request, Noted(project, CookieMode(), set_cookie=found.set_cookie))
            return None
        value = sent.value(project, self.cookies.public_url)
        mode = await self.cookies.mode(project)
        self._note(request, Noted(project, mode, value, found.set_cookie))
        return found.user

    async def _note_sign_in(self, request: AnyRequest, caller: Caller) -> None:
        """Note that a sign-in sets the cookie, if `?cookies=1` asks for it. Raises: CookieModeOff, CsrfRefused."""
        asked = sent_once(request.query_params, PARAMETER, "parameter")
        if not asked:
            return
        if asked != WANTED:
            raise InvalidInput.at(PARAMETER, "Send cookies=1, or leave the parameter out.")
        sent = _cookies(request, caller)
        mode = await self.cookies.check_sign_in(caller.project, sent, _own_host(request))
        noted: Noted = request.scope["state"].get(NOTE) or Noted(caller.project, mode)
        if request.scope["path_template"] == REFRESH:  # This route reads the value of the cookie itself.
            noted.value = sent.value(caller.project, self.cookies.public_url)
            if noted.value:
                self.cookies.check_page(mode, sent, _own_host(request))
        self._note(request, msgspec.structs.replace(noted, mode=mode, wanted=True))

    def _note(self, request: AnyRequest, noted: Noted) -> None:
        request.scope["state"][NOTE] = noted

    async def _service(self, request: AnyRequest, token: str) -> Caller:
        """Return the caller of a service token: it has the rights of a secret key with the scopes of the token.

        Raises: InvalidToken, TokenExpired, SecretKeyInBrowser, RateLimited, Unreachable.
        """
        if act_of(request.method, request.scope["path_template"]) is Act.PROFILE_USE:
            raise Unauthenticated("End users sign in with the project's key: X-Bunbase-Key: pk_… or sk_….")
        ip = client_ip(request, self.trusted_proxies)
        holder, scopes = await self.limits.look_up(ip, token, lambda: self.identity.service(token))
        check_origin(holder, request.headers.get("origin"))
        return self._caller(request, holder.kind, project=holder.project, key=holder.key_id, scopes=scopes)

    async def _member_of(self, request: AnyRequest, project: str, developer: Developer) -> Caller:
        """Return the member of a project, or an administrator of the installation who reads it.

        Raises: ProjectNotFound, ProjectSuspended, ReauthenticationRequired, Unreachable.
        """
        act, inspects = act_of(request.method, request.scope["path_template"]), False
        try:
            found = await self.identity.membership(developer.id, project)
        except ProjectNotFound:
            if not developer.admin or act is None or act.changes:
                raise
            found, inspects = await self._inspected(developer, project), True
        if found.suspended and (act is None or act.changes):
            raise ProjectSuspended(READ_ONLY)
        known = {"project": found.project, "developer": developer, "role": found.role, "inspects": inspects}
        return self._caller(request, CallerKind.DEVELOPER, **known)

    async def _inspected(self, developer: Developer, project: str) -> Membership:
        """Return a viewer's membership, for an administrator who has just reauthenticated or has the scope `admin`."""
        administrator = Caller(CallerKind.DEVELOPER, developer=developer)
        if not administrator.may(Act.PROJECT_INSPECT):
            raise ProjectNotFound
        found = await in_time(self.identity.platform.inspection(developer.id, project))
        if developer.session:
            await in_time(self.identity.bunauth.need_fresh_proof(administrator))
        return found

    def _caller(self, request: AnyRequest, kind: CallerKind, **known: Any) -> Caller:
        return self._noted(request, sender_of(request, self.trusted_proxies).caller(kind, **known))

    def _noted(self, request: AnyRequest, caller: Caller) -> Caller:
        """Return the Caller, and store it in the request's state, where the log line and the handler find it."""
        if request.scope["path"].startswith(END_USERS):
            language = request.headers.get("accept-language", "")[:MAX_LANGUAGE]
            caller = msgspec.structs.replace(caller, accept_language=language)
        request.scope["state"][CALLER] = caller
        return caller

    async def _developer(self, request: AnyRequest) -> Developer:
        token = bearer_token(request.headers)
        if not token:
            raise Unauthenticated("Send a developer's access token: Authorization: Bearer <token>.")
        return await self._developer_of(request, token)

    async def _developer_of(self, request: AnyRequest, token: str) -> Developer:
        """Return the developer whose token was sent. Raises: InvalidToken, TokenExpired, RateLimited, Unreachable."""
        if self.identity.knows_developer(token):
            return await self.identity.developer(token)
        ip = client_ip(request, self.trusted_proxies)
        return await self.limits.look_up(ip, token, lambda: self.identity.developer(token))


def _cookies(request: AnyRequest, caller: Caller) -> SentCookies:
    headers = request.headers
    cookie = "; ".join(headers.getall("cookie", []))
    return SentCookies(
        request.method,
        cookie,
        origin=headers.get("origin", ""),
        csrf=headers.get(CSRF_HEADER, ""),
        site=headers.get("sec-fetch-site", ""),
        mode=headers.get("sec-fetch-mode", ""),
        secret=caller.kind is CallerKind.SECRET,
    )


def _own_host(request: AnyRequest) -> str:
    """Return the project's own host if the request was sent to it, with the port, else ""."""
    return request.headers.get("host", "").lower() if request.scope["state"].get(HOST_SLUG) is not None else ""


def _named_project(request: AnyRequest) -> str:
    """Return the id or slug of the project that the request names, or "". Raises: Malformed."""
    header = sent_once(request.headers, PROJECT_HEADER)
    return header or sent_once(request.query_params, PROJECT_PARAMETER, "parameter")


def _service_token(request: AnyRequest) -> str:
    """Return the Bearer token if its claims name the type of service tokens, else ""."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or unverified_claims(token.strip()).get("type") != TOKEN_TYPE:
        return ""
    return bearer_token(request.headers)


def _found() -> Callable[[AnyRequest], Any]:
    """Return a new dependency at each call, because Litestar does not accept the same function under two names."""

    def give(request: AnyRequest) -> Any:
        return request.scope["state"][CALLER]

    return give
