"""Personal access tokens: `/api/auth/tokens`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import PathParameter

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunauth.tokens import PersonalToken, PersonalTokens
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.ids import ID

TAGS = ["Developers"]

TokenId = Annotated[str, PathParameter(pattern=ID)]
Lifetime = Annotated[int, msgspec.Meta(ge=60, le=10 * 366 * 86400)]


class CreateToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`scopes`: the actions that the token permits, as in docs/tokens.md. `<scope>@<project id>` is valid in one
    project only.
    `projects`: the ids of the projects in which the token is valid; without ids, the token is valid in all projects.
    `expires_in_seconds`: null makes a token that never expires.
    """

    name: str
    scopes: tuple[str, ...] = ("read", "write")
    expires_in_seconds: Lifetime | None = None
    projects: tuple[str, ...] = ()


@get("/api/auth/tokens", summary="List your personal access tokens", tags=TAGS)
async def list_tokens(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> PersonalTokens:
    return await bunauth.tokens(developer)


@post("/api/auth/tokens", summary="Make a personal access token", tags=TAGS, cache_control=NO_STORE)
async def create_token(developer: Injected[Caller], bunauth: Injected[BunAuth], data: CreateToken) -> PersonalToken:
    """Only this response contains the token.

    A request with the token may do what the token's scopes allow, and only if the owner may do it at that time. By
    default, a token has the scopes `read` and `write`. The scopes `admin` and `secrets` need recent reauthentication.
    """
    return await bunauth.create_token(developer, data.name, data.scopes, data.expires_in_seconds, data.projects)


@delete("/api/auth/tokens/{token_id:str}", summary="Delete a personal access token", tags=TAGS)
async def delete_token(developer: Injected[Caller], bunauth: Injected[BunAuth], token_id: TokenId) -> None:
    """The token stops working everywhere within a second."""
    await bunauth.delete_token(developer, token_id)


ROUTES = (list_tokens, create_token, delete_token)
