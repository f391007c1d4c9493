"""Public HTTP of service accounts: `…/service-accounts` and `/v1/auth/token`."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import PathParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.contracts.service_accounts import (
    NewServiceAccount,
    ServiceAccessToken,
    ServiceAccount,
    ServiceAccounts,
    TokenRefused,
    TokenRequest,
)
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.ids import ID
from bunbase.pkg.media import JSON
from bunbase.pkg.openapi import answers, reads

TAGS = ["Service accounts"]
FORM: Final = "application/x-www-form-urlencoded"
MAX_BODY_BYTES: Final = 32 << 10
NO_STORE_HEADERS: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}

ClientId = Annotated[str, PathParameter(pattern=ID)]


class OAuthError(msgspec.Struct, frozen=True):
    """The answer to a refused token request (RFC 6749 §5.2)."""

    error: str
    error_description: str


@get("/api/projects/{project:str}/service-accounts", summary="List a project's service accounts", tags=TAGS)
async def list_service_accounts(member: Injected[Caller], platform: Injected[Platform]) -> ServiceAccounts:
    return await platform.service_accounts(member)


@post(
    "/api/projects/{project:str}/service-accounts",
    summary="Create a service account",
    tags=TAGS,
    cache_control=NO_STORE,
)
async def create_service_account(
    member: Injected[Caller], platform: Injected[Platform], data: NewServiceAccount
) -> ServiceAccount:
    """The client secret is shown only in this answer. An account with a public key has no secret: it signs assertions
    with its private key (RFC 7523)."""
    return await platform.create_service_account(member, data)


@delete("/api/projects/{project:str}/service-accounts/{client_id:str}", summary="Delete a service account", tags=TAGS)
async def delete_service_account(member: Injected[Caller], platform: Injected[Platform], client_id: ClientId) -> None:
    """The account and its tokens stop working everywhere within a second."""
    await platform.delete_service_account(member, client_id)


@post(
    "/v1/auth/token",
    summary="Get a service token",
    tags=TAGS,
    status_code=200,
    operation_class=reads(TokenRequest, FORM),
    responses={
        200: answers(ServiceAccessToken, "A token for ten minutes."),
        400: answers(OAuthError, "The request is not valid (RFC 6749 §5.2)."),
        401: answers(OAuthError, "The client is unknown, or its proof is wrong."),
    },
)
async def exchange_for_token(
    anyone: Injected[Caller], platform: Injected[Platform], request: Request[Any, Any, Any]
) -> Response[bytes]:
    """The client credentials grant (RFC 6749 §4.4). The client sends its id and secret with HTTP Basic or in the body,
    or a client assertion (RFC 7523). A secret key of the project as `client_secret` gets a token with fewer scopes."""
    try:
        asked = await _asked(request)
        return _answer(200, await platform.exchange_token(asked))
    except TokenRefused as refused:
        error = str(refused.extra["error"])
        status = 401 if error == "invalid_client" else 400
        return _answer(status, OAuthError(error, refused.detail), basic=status == 401)


def _answer(status: int, content: msgspec.Struct, basic: bool = False) -> Response[bytes]:
    headers = NO_STORE_HEADERS | ({"WWW-Authenticate": 'Basic realm="service accounts"'} if basic else {})
    return Response(msgspec.json.encode(content), status_code=status, media_type=JSON, headers=headers)


async def _asked(request: Request[Any, Any, Any]) -> TokenRequest:
    """Return the parameters of a request. Raises: TokenRefused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise TokenRefused(f"Send the parameters as {FORM}.", error="invalid_request")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise TokenRefused(f"A token request has at most {MAX_BODY_BYTES} bytes.", error="invalid_request")
    sent = _form(body)
    user, password = _basic(request.headers.get("authorization", ""))
    if user and (sent.get("client_secret") or sent.get("client_assertion") or sent.get("client_id", user) != user):
        raise TokenRefused("Send the credentials only once: with HTTP Basic or in the body.", error="invalid_request")
    if user or password:
        sent |= {"client_id": user, "client_secret": password}
    known = {name: value for name, value in sent.items() if name in TokenRequest.__struct_fields__}
    return TokenRequest(**{"grant_type": "", **known})


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise TokenRefused("The body is not a form.", error="invalid_request") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise TokenRefused("Send each parameter only once.", error="invalid_request")
    return form


def _basic(header: str) -> tuple[str, str]:
    """Return user and password of HTTP Basic, both form-decoded (RFC 6749 §2.3.1); empty for no header."""
    if not header:
        return "", ""
    scheme, _, sent = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        user, colon, password = base64.b64decode(sent.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError
    except (ValueError, binascii.Error):
        raise TokenRefused(
            "Send the header in this form: Authorization: Basic <base64>.", error="invalid_client"
        ) from None
    return unquote_plus(user), unquote_plus(password)


ROUTES = (list_service_accounts, create_service_account, delete_service_account, exchange_for_token)
