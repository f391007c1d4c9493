"""The routes of the fake server about sign-in, registration and sessions."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery

from bunbase.contracts.bunauth.accounts import Account, AccountSessions, SignedIn, SignupPending
from bunbase.contracts.bunauth.activity import AccountActivity, ActivityEntry, ActivityMethod, ActivityOutcome
from bunbase.contracts.bunauth.factors import NewTotp, Passkeys, RecoveryCodes, TotpState
from bunbase.contracts.bunauth.invites import AccountInvite, AccountInvites
from bunbase.contracts.bunauth.openid import Authorizations
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
from tests.cli.fake_api import EMAIL, NOW, PASSWORD, AnyRequest, FakeApi

FIRST_CODE: Final = "123456"  # A new authenticator app has this code.


@get("/api/auth/sessions")
async def list_own_sessions(api: Injected[FakeApi], request: AnyRequest) -> AccountSessions:
    api.signed_in(request)
    return AccountSessions(tuple(api.own_sessions.values()), None)


@get("/api/auth/activity")
async def list_activity(api: Injected[FakeApi], request: AnyRequest) -> AccountActivity:
    api.signed_in(request)
    refused = ActivityOutcome.REFUSED
    entry = ActivityEntry("acv_1", NOW, "account.sign_in", "203.0.113.7", "curl", refused, count=3)
    by_shop = (ActivityOutcome.DONE, ActivityMethod.OPENID, "Shop")
    return AccountActivity((entry, ActivityEntry("acv_0", NOW, "account.sign_in", "203.0.113.7", "curl", *by_shop)))


@get("/api/auth/passkeys")
async def list_passkeys(api: Injected[FakeApi], request: AnyRequest) -> Passkeys:
    api.signed_in(request)
    return Passkeys(tuple(api.passkeys))


@delete("/api/auth/passkeys/{id:str}")
async def delete_passkey(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.proved(request)
    api.passkeys = [one for one in api.passkeys if one.id != id]


@get("/api/auth/authorizations")
async def list_authorizations(api: Injected[FakeApi], request: AnyRequest) -> Authorizations:
    api.signed_in(request)
    return Authorizations(tuple(api.authorizations))


@delete("/api/auth/authorizations/{id:str}")
async def end_authorization(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.signed_in(request)
    api.authorizations = [one for one in api.authorizations if one.id != id]


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


@get("/api/invites")
async def list_account_invites(api: Injected[FakeApi], request: AnyRequest) -> AccountInvites:
    api.signed_in(request)
    return AccountInvites(tuple(api.account_invites))


@post("/api/invites")
async def create_account_invite(api: Injected[FakeApi], request: AnyRequest) -> AccountInvite:
    api.signed_in(request)
    new = await request.json()
    made = AccountInvite(f"ain_{len(api.account_invites) + 1}", new["email"], new["role"], NOW, NOW)
    api.account_invites.append(made)
    return msgspec.structs.replace(made, url=f"{api.url}/account/invite?token=biv_1")


@delete("/api/invites/{id:str}")
async def delete_account_invite(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.signed_in(request)
    api.account_invites = [one for one in api.account_invites if one.id != id]


@get("/api/auth/totp")
async def totp_state(api: Injected[FakeApi], request: AnyRequest) -> TotpState:
    api.signed_in(request)
    return TotpState(api.has_app, 2 if api.has_app else 0, NOW if api.has_app else None)


@post("/api/auth/totp", status_code=201)
async def start_totp(api: Injected[FakeApi], request: AnyRequest) -> NewTotp:
    api.proved(request)
    api.pending_app = True
    return NewTotp("SECRET32", "otpauth://totp/BunBase:ada%40example.com?secret=SECRET32&issuer=BunBase")


@post("/api/auth/totp/confirm", status_code=200)
async def confirm_totp(api: Injected[FakeApi], request: AnyRequest) -> RecoveryCodes:
    api.signed_in(request)
    if not api.pending_app or (await request.json())["code"] != FIRST_CODE:
        raise WrongCode
    api.has_app = True
    return RecoveryCodes(("code-1", "code-2"))


@delete("/api/auth/totp")
async def remove_totp(api: Injected[FakeApi], request: AnyRequest) -> None:
    api.proved(request)
    api.has_app = False


@post("/api/auth/recovery-codes", status_code=201)
async def new_recovery_codes(api: Injected[FakeApi], request: AnyRequest) -> RecoveryCodes:
    api.proved(request)
    return RecoveryCodes(("code-3", "code-4"))


@patch("/api/auth/me")
async def update_me(api: Injected[FakeApi], request: AnyRequest) -> dict[str, Account]:
    api.signed_in(request)
    api.changes.append(await request.json())
    return {"user": api.account()}


@delete("/api/auth/me")
async def delete_account(api: Injected[FakeApi], request: AnyRequest) -> None:
    api.proved(request)
    api.deleted_account = True


@post("/api/auth/password", status_code=204)
async def change_password(api: Injected[FakeApi], request: AnyRequest) -> None:
    api.proved(request)
    api.changes.append(await request.json())


@post("/api/auth/email", status_code=202)
async def change_email(api: Injected[FakeApi], request: AnyRequest) -> dict[str, str]:
    api.proved(request)
    api.changes.append(await request.json())
    return {"status": "accepted"}


@post("/api/auth/{verb:str}")
async def auth(api: Injected[FakeApi], request: AnyRequest, verb: FromPath[str]) -> Response[Any]:
    body = await request.json() if verb != "logout" else {}
    match verb:
        case "login" | "register":
            if body["password"] != PASSWORD and not api.any_password:
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
            token = request.headers["authorization"].removeprefix("Bearer ")
            api.access.discard(token)
            api.fresh.discard(token.replace("at_", "rt_"))
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
    list_passkeys,
    delete_passkey,
    list_authorizations,
    end_authorization,
    list_activity,
    list_own_sessions,
    end_own_sessions,
    end_own_session,
    second_factor,
    reauthenticate,
    list_account_invites,
    create_account_invite,
    delete_account_invite,
    totp_state,
    start_totp,
    confirm_totp,
    remove_totp,
    new_recovery_codes,
    update_me,
    delete_account,
    change_password,
    change_email,
    replace_signing_keys,
    auth,
)
