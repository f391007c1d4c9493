"""The gateway's own routes: health, readiness, the instance, metrics, live connections and the public JSON-RPC."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec

from bunbase import __version__
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
from bunbase.gateway import rpc
from bunbase.gateway.live.routes import ROUTES as LIVE_ROUTES
from bunbase.gateway.media import check_json_of
from bunbase.pkg.api_json import api_json
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.metrics import TEXT_TYPE, metrics_text
from bunbase.pkg.modules import Site
from bunbase.pkg.openapi import answers, reads
from bunbase.pkg.ready import Readiness
from bunbase.pkg.rpc.dispatch import CallFailed, Dispatcher
from bunbase.pkg.rpc.wire import PARSE_ERROR

TAGS: Final = ["Instance"]
MAX_RPC_BYTES: Final = 256 << 10


class Health(msgspec.Struct, frozen=True):
    status: str
    version: str


class Instance(msgspec.Struct, frozen=True):
    """`sandbox.functions`: the layers that sandbox functions on this machine; empty if there is no sandbox.

    `confirms_signups`: true if a person who registers without an invitation chooses the password on a page to which a
    mail links. In this case, the server does not use the password in the request.
    """

    version: str
    mode: str
    signups: str
    setup_complete: bool
    sandbox: dict[str, tuple[str, ...]]
    confirms_signups: bool


class DependencyCheck(msgspec.Struct, frozen=True):
    status: Literal["ok", "unavailable"]


class ReadinessReport(msgspec.Struct, frozen=True):
    """`checks`: the state of each dependency, by name."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, DependencyCheck]


class RpcRequest(msgspec.Struct, frozen=True):
    """A request of JSON-RPC 2.0. Without `id`, it is a notification, which gets no answer."""

    jsonrpc: Literal["2.0"]
    method: str
    params: dict[str, Any] | list[Any] | msgspec.UnsetType = msgspec.UNSET
    id: str | int | msgspec.UnsetType | None = msgspec.UNSET


class RpcError(msgspec.Struct, frozen=True):
    """`data`: the Problem, if the method raised one."""

    code: int
    message: str
    data: Any = msgspec.UNSET


class RpcAnswer(msgspec.Struct, frozen=True):
    """An answer of JSON-RPC 2.0. It has either `result` or `error`."""

    jsonrpc: Literal["2.0"]
    id: str | int | None
    result: Any = msgspec.UNSET
    error: RpcError | msgspec.UnsetType = msgspec.UNSET


@get("/api/health", summary="Health check", tags=TAGS, cache_control=NO_STORE)
async def get_health() -> Health:
    return Health("ok", __version__)


@get(
    "/api/ready",
    summary="Readiness check",
    tags=TAGS,
    cache_control=NO_STORE,
    responses={
        200: answers(ReadinessReport, "All dependencies are available."),
        503: answers(ReadinessReport, "A dependency is not available."),
    },
)
async def get_readiness(readiness: Injected[Readiness]) -> Response[dict[str, Any]]:
    """Shows for each dependency whether it is available. The status is 503 if a dependency is not available.

    Each dependency is checked at most once a second. The answer on the internal port also shows the errors.
    """
    answer, good = await readiness.report(details=False)
    return Response(answer, status_code=200 if good else 503)


@get("/api/instance", summary="Describe this installation", tags=TAGS)
async def get_instance(bunauth: Injected[BunAuth], functions: Injected[Functions], site: Injected[Site]) -> Instance:
    state = await bunauth.signup_state()
    sandbox = {"functions": await functions.sandbox_layers()}
    return Instance(
        __version__, site.mode, state.signups, state.setup_complete, sandbox, confirms_signups=state.confirms_signups
    )


CHARSET: Final = "; charset=utf-8"  # Litestar adds this to every type of text.


@get("/metrics", summary="Metrics for Prometheus", tags=TAGS, media_type="text/plain", cache_control=NO_STORE)
async def get_metrics() -> Response[bytes]:
    """This route exists only in dev mode. In production, the internal port serves the metrics."""
    return Response(metrics_text(), media_type=TEXT_TYPE.removesuffix(CHARSET))


@post(
    "/rpc",
    summary="JSON-RPC 2.0",
    tags=["RPC"],
    status_code=200,
    operation_class=reads(RpcRequest | list[RpcRequest]),
    responses={
        200: answers(RpcAnswer | list[RpcAnswer], "The answer; for a list of requests, a list of answers."),
        204: ResponseSpec(None, generate_examples=False, description="There were only notifications."),
    },
    request_max_body_size=MAX_RPC_BYTES,
    cache_control=NO_STORE,
)
async def json_rpc(
    anyone: Injected[Caller], dispatcher: Injected[Dispatcher], request: Request[Any, Any, Any]
) -> Response[bytes]:
    """The methods are `auth.register {email, password, name, setup_token, invite}`, `auth.login {email, password}`,
    `auth.second_factor {challenge, code}`, `auth.refresh {refresh_token}`, `auth.logout {access_token}` and
    `auth.verify {token}`. They have the same limits as the routes below `/api/auth`.

    If an account has a second factor, the error of `auth.login` has the `data` `{code: "second_factor_required",
    challenge, methods}`: send the challenge with a code to `auth.second_factor`.

    If the setting `bunauth.service_exchange` is on, there is also `service.exchange {client_id, client_secret}`.
    """
    check_json_of(request)
    rpc.caller.set(msgspec.structs.replace(anyone, rpc=True))
    try:
        call = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        failed = CallFailed(PARSE_ERROR, f"Parse error: {error}")
        answer: Any = {"jsonrpc": "2.0", "id": None, "error": failed.error}
    else:
        answer = await dispatcher.answer(call)
    if answer is None:
        return Response(b"", status_code=204)
    return Response(api_json(answer), media_type="application/json")


ROUTES = (get_health, get_readiness, get_instance, json_rpc, *LIVE_ROUTES)
DEV_ROUTES = (get_metrics,)
