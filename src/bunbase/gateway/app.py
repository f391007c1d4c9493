"""The ASGI app of the front door: it serves the routes of every room, and LoginGuard limits the sign-in routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from litestar import Litestar, MediaType, Request, Response
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.types import BeforeRequestHookHandler

from bunbase.gateway.audit.app import AuditedApp
from bunbase.gateway.audit.auditor import Auditor
from bunbase.gateway.callers import Callers
from bunbase.gateway.cookie_answers import CookieAnswersApp
from bunbase.gateway.cookie_sharing import ProjectSharing
from bunbase.gateway.frame import Frame
from bunbase.gateway.guards import Guards
from bunbase.gateway.json_requests import ApiRequest
from bunbase.gateway.local_guard import LOCAL_ORIGINS, LocalGuard
from bunbase.gateway.login_guard import LoginGuard
from bunbase.gateway.media import check_media
from bunbase.gateway.methods import Methods
from bunbase.gateway.openapi import openapi
from bunbase.gateway.parameters import check_parameters
from bunbase.gateway.paths import NormalPaths
from bunbase.gateway.problems import HANDLERS
from bunbase.gateway.project_hosts import ProjectHostsApp
from bunbase.gateway.proxies import Proxies
from bunbase.gateway.routes import ROUTES
from bunbase.gateway.settings import AUTO, GatewaySettings
from bunbase.gateway.sharing import Cors, SharingApp
from bunbase.pkg.api_json import api_json
from bunbase.pkg.errors import Forbidden

PREFLIGHT_SECONDS: Final = 7200  # Chromium caches a preflight for at most this long.
EXPOSED: Final = [
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "Retry-After",
    "Server-Timing",
    "X-Bunbase-Function-Version",
    "X-Bunbase-Invocation",
    "X-Bunbase-Metadata",
    "X-Bunbase-Seq",
    "X-Request-Id",
]


def front_door(
    settings: GatewaySettings, routes: Sequence[Any], dependencies: dict[str, Any], guards: Guards, auditor: Auditor
) -> Frame:
    """Build the app. `dependencies`: the values that handlers may take by parameter name, in addition to callers."""
    site, proxies = dependencies["site"], Proxies(settings.trusted_proxies)
    sharing, cookies = cors(settings, site.dev), guards.clients.cookies
    callers = Callers(guards, proxies, site.dev, site.public_url)
    login_guard = DefineMiddleware(LoginGuard, guards=guards, trusted_proxies=proxies)

    middleware = [login_guard]
    if site.dev:
        middleware.insert(0, DefineMiddleware(LocalGuard, allowed=sharing.is_origin_allowed, own=site.public_url))

    async def before_the_body(request: Request[Any, Any, Any]) -> None:
        try:
            await callers.admit(request)
        except Forbidden:
            await auditor.refuse(request)
            raise
        check_parameters(request)
        await check_media(request)
        await auditor.begin(request)

    given_by_name = {**callers.dependencies(), **given(dependencies)}
    app = AuditedApp(Methods(rooms_app(settings, routes, given_by_name, middleware, before_the_body)), auditor)
    return Frame(
        ProjectHostsApp(
            NormalPaths(SharingApp(CookieAnswersApp(app, cookies), Cors(sharing), ProjectSharing(guards, proxies))),
            guards.hosts,
        )
    )


class ApiResponse(Response[Any]):
    """A response whose content is encoded as JSON of the API. Content of type bytes is sent unchanged."""

    def render(self, content: Any, media_type: str, enc_hook: Any = None) -> bytes:
        if media_type != MediaType.JSON or isinstance(content, bytes):
            return super().render(content, media_type, enc_hook)
        return api_json(content)


def rooms_app(
    settings: GatewaySettings,
    routes: Sequence[Any],
    dependencies: dict[str, Provide],
    middleware: Sequence[DefineMiddleware] = (),
    before_request: BeforeRequestHookHandler | None = None,
) -> Litestar:
    return Litestar(
        [*ROUTES, *routes],
        dependencies=dependencies,
        middleware=middleware,
        before_request=before_request,
        exception_handlers=HANDLERS,
        openapi_config=openapi(),
        request_class=ApiRequest,
        response_class=ApiResponse,
        request_max_body_size=settings.max_body_bytes,
        logging_config=None,
        debug=False,
    )


def cors(settings: GatewaySettings, dev: bool) -> CORSConfig:
    """Return the CORS configuration. The origin `auto` allows local pages in dev mode, and all pages in production."""
    origins = [origin for origin in settings.cors_origins if origin != AUTO]
    local = None
    if AUTO in settings.cors_origins:
        origins, local = (origins, LOCAL_ORIGINS) if dev else (["*"], None)
    return CORSConfig(
        allow_origins=list(origins), allow_origin_regex=local, expose_headers=EXPOSED, max_age=PREFLIGHT_SECONDS
    )


def given(dependencies: dict[str, Any]) -> dict[str, Provide]:
    """Return each value as a Litestar dependency."""
    return {name: Provide(_constant(value), sync_to_thread=False) for name, value in dependencies.items()}


def _constant(value: Any) -> Any:
    def give() -> Any:
        return value

    return give
