"""The routes of the fake server about sign-in, registration and sessions."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, delete, get, post
from litestar.params import FromPath, FromQuery

from bunbase.contracts.bunauth.accounts import AccountSessions, SignedIn, SignupPending
from bunbase.contracts.bunauth.problems import (
    InvalidCredentials,
    InvalidToken,
    SecondFactorRequired,
    SessionNotFound,
    TokenReused,
    WrongCode,
    WrongProof,
)
from bunbase.pkg.http import Injected
from tests.cli.fake_api import EMAIL, PASSWORD, AnyRequest, FakeApi


@get("/api/auth/sessions")
async def list_own_sessions(api: Injected[FakeApi], request: AnyRequest) -> AccountSessions:
    api.signed_in(request)
    return AccountSessions(tuple(api.own_sessions.values()), None)


@delete("/api/auth/sessions")
async def end_own_sessions(api: Injected[FakeApi], request: AnyRequest, keep_current: FromQuery[bool] = False) -> None:
    api.signed_in(request)
    api.own_sessions = {id: one for id, one in api.own_sessions.items() if one.current and keep_current}


@delete("/api/auth/sessions/{id:str}")
async def end_own_session(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.signed_in(request)
    if api.own_sessions.pop(id, None) is None:
        raise SessionNotFound


@post("/api/auth/login/second-factor", status_code=200)
async def second_factor(api: Injected[FakeApi], request: AnyRequest) -> SignedIn:
    body = await request.json()
    if body != {"challenge": "bsc_1", "code": api.code}:
        raise WrongCode
    return api.sign_in(EMAIL)


@post("/api/auth/reauthenticate", status_code=204)
async def reauthenticate(api: Injected[FakeApi], request: AnyRequest) -> None:
    api.signed_in(request)
    if await request.json() not in ({"password": PASSWORD}, {"code": api.code}):
        raise WrongProof("This proof is wrong. After 9 more wrong proofs, the session ends.")
    api.proofs = []


@post("/api/auth/signing-keys/replace", status_code=204)
async def replace_signing_keys(api: Injected[FakeApi], request: AnyRequest) -> None:
    api.proved(request)
    api.replaced_keys += 1


@post("/api/auth/{verb:str}")
async def auth(api: Injected[FakeApi], request: AnyRequest, verb: FromPath[str]) -> Response[Any]:
    body = await request.json() if verb != "logout" else {}
    match verb:
        case "login" | "register":
            if body["password"] != PASSWORD:
                raise InvalidCredentials
            if verb == "login" and api.code:
                raise SecondFactorRequired(challenge="bsc_1", methods=["totp", "recovery_code"])
            api.setup_token, api.invite = body.get("setup_token"), body.get("invite")
            if verb == "register" and api.verifies_signups:
                return Response(SignupPending(), status_code=202)
            return Response(api.sign_in(body["email"]), status_code=200 if verb == "login" else 201)
        case "refresh":
            return Response(refreshed(api, body["refresh_token"]), status_code=200)
        case _:
            api.signed_in(request)
            api.access.clear()
            api.fresh.clear()
            return Response(None, status_code=204)


def refreshed(api: FakeApi, token: str) -> SignedIn:
    """Refresh a session. Unlike the real server, a token that is used twice ends the session at once."""
    api.refreshes += 1
    if token in api.spent:
        api.access.clear()
        api.fresh.clear()
        raise TokenReused
    if token not in api.fresh:
        raise InvalidToken
    api.fresh.discard(token)
    api.spent.add(token)
    return api.sign_in(EMAIL)


ACCOUNT_ROUTES: Final = (
    list_own_sessions,
    end_own_sessions,
    end_own_session,
    second_factor,
    reauthenticate,
    replace_signing_keys,
    auth,
)
