"""The OpenID Provider's endpoints for clients: `/oauth/token`, `/oauth/userinfo`, `/oauth/revoke`, `/oauth/introspect`.

Errors have the form of RFC 6749 §5.2, because standard clients do not understand other errors.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, post, route

from bunbase.contracts.bunauth.openid import Introspection, OAuthRefused, OAuthTokens, UserInfo
from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Malformed, Problem, UnsupportedMedia
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.openapi import answers, reads
from bunbase.pkg.openid_provider.client_credentials import (
    ClientCredentials,
    UnreadableCredentials,
    read_credentials,
)
from bunbase.pkg.web_pages.forms import FORM_TYPE, MAX_FORM_BYTES, read_form
from bunbase.pkg.web_pages.serving import AnyRequest

TAGS = ["OpenID Provider"]
NO_STORE_HEADERS: Final = {"cache-control": "no-store", "pragma": "no-cache"}
NOT_VALID: Final = "The request is not valid (RFC 6749 §5.2)."


class OAuthFailure(msgspec.Struct, frozen=True):
    """The answer to a refused request of a client (RFC 6749 §5.2)."""

    error: str
    error_description: str


class TokenForm(msgspec.Struct, frozen=True, omit_defaults=True):
    """`grant_type`: `authorization_code` or `refresh_token`.
    A confidential client also sends its secret, in the form or with HTTP Basic.
    """

    grant_type: str
    client_id: str = ""
    client_secret: str = ""
    code: str = ""
    redirect_uri: str = ""
    code_verifier: str = ""
    refresh_token: str = ""
    scope: str = ""


class ClientTokenForm(msgspec.Struct, frozen=True, omit_defaults=True):
    """`token`: an access token or a refresh token."""

    token: str
    token_type_hint: str = ""
    client_id: str = ""
    client_secret: str = ""


def on_problem(request: AnyRequest, problem: Problem) -> Response[Any]:
    error, status, headers = "invalid_request", 400, dict(NO_STORE_HEADERS)
    if isinstance(problem, OAuthRefused):
        error = str(problem.extra["error"])
    elif isinstance(problem, InvalidToken):
        error, status = "invalid_token", 401
        # If a client has sent no credentials, the answer has no error code (RFC 6750 §3.1).
        sent = "authorization" in request.headers
        headers["www-authenticate"] = 'Bearer error="invalid_token"' if sent else "Bearer"
    if error == "invalid_client" and problem.extra.get("basic"):
        status, headers["www-authenticate"] = 401, 'Basic realm="BunBase"'
    return Response(OAuthFailure(error, problem.detail), status_code=status, headers=headers)


SHARED: Final[dict[str, Any]] = {
    "tags": TAGS,
    "cache_control": NO_STORE,
    "exception_handlers": dict.fromkeys((OAuthRefused, InvalidToken, Malformed, UnsupportedMedia), on_problem),
}


def endpoint(path: str, summary: str, form: Any, answer: Any, described: str) -> post:
    """Return the decorator of an endpoint that takes a form. `answer`: the type of the endpoint's answer."""
    return post(
        path,
        summary=summary,
        status_code=200,
        request_max_body_size=MAX_FORM_BYTES,
        operation_class=reads(form, FORM_TYPE),
        responses={
            200: answers(answer, described),
            400: answers(OAuthFailure, NOT_VALID),
            401: answers(OAuthFailure, "The client is unknown, or its secret is wrong."),
        },
        **SHARED,
    )


@endpoint("/oauth/token", "Get the tokens of a client", TokenForm, OAuthTokens, "The tokens of a session.")
async def get_oauth_tokens(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest
) -> Response[OAuthTokens]:
    """The token endpoint (RFC 6749 §3.2): exchanges a code together with its PKCE verifier, or a refresh token. A code
    works once, for a minute. A refresh token stays valid until a token of the new pair has been used.
    """
    sent = await _form(request)
    return Response(await bunauth.oauth_token(anyone, _credentials(request, sent), sent), headers=NO_STORE_HEADERS)


@endpoint("/oauth/revoke", "Revoke a token of a client", ClientTokenForm, None, "The token is not valid any more.")
async def revoke_oauth_token(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest
) -> Response[None]:
    """Revokes a token (RFC 7009): BunBase ends the session of the token, with all its tokens. The response is the same
    for an unknown token.
    """
    sent = await _form(request)
    await bunauth.oauth_revoke(anyone, _credentials(request, sent), _token(sent))
    return Response(None, headers=NO_STORE_HEADERS)


@endpoint("/oauth/introspect", "Check a token of a client", ClientTokenForm, Introspection, "The state of the token.")
async def introspect_oauth_token(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest
) -> Response[Introspection]:
    """Describes a token (RFC 7662), for confidential clients only.

    A token of another client is reported as not active.
    """
    sent = await _form(request)
    answer = await bunauth.oauth_introspect(_credentials(request, sent), _token(sent))
    return Response(answer, headers=NO_STORE_HEADERS)


@route(
    "/oauth/userinfo",
    http_method=["GET", "POST"],
    summary="Get the claims about a person",
    status_code=200,
    responses={401: answers(OAuthFailure, "The access token is not valid (RFC 6750 §3.1).")},
    **SHARED,
)
async def get_userinfo(anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest) -> UserInfo:
    """Returns the claims about the person (OpenID Connect Core 1.0 §5.3). Send the access token of a client:
    `Authorization: Bearer <token>`.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidToken("Send the header in this form: Authorization: Bearer <token>.")
    return await bunauth.oauth_userinfo(token.strip())


async def _form(request: AnyRequest) -> dict[str, str]:
    return read_form(request.headers.get("content-type", ""), await request.body())


def _credentials(request: AnyRequest, sent: dict[str, str]) -> ClientCredentials:
    """Return the credentials of the client. Raises: OAuthRefused."""
    try:
        return read_credentials(request.headers.get("authorization", ""), sent)
    except UnreadableCredentials as unreadable:
        raise OAuthRefused(str(unreadable), error="invalid_request") from None


def _token(sent: dict[str, str]) -> str:
    if not sent.get("token"):
        raise OAuthRefused("Send the token as the field token.", error="invalid_request")
    return sent["token"]


ROUTES: Final = (get_oauth_tokens, revoke_oauth_token, introspect_oauth_token, get_userinfo)
