"""The settings of a project for its users: `/api/projects/{project}/auth`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.datastructures import ResponseHeader
from litestar.params import HeaderParameter
from msgspec import UNSET, UnsetType

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.settings import Captcha, ProjectAuth, ShownAuth, UserProvider
from bunbase.contracts.tenant_auth.signing_keys import RotatedKeys
from bunbase.pkg.errors import InvalidInput, Malformed
from bunbase.pkg.http import Injected
from bunbase.pkg.json_bodies import read_json
from bunbase.pkg.media import check_json
from bunbase.pkg.openapi import reads

TAGS = ["End users: administration"]
TAG: Final = ResponseHeader(
    name="ETag",
    value='"3"',  # this value is never sent; OpenAPI 3.1 needs a type, and Litestar derives the type from the value
    description="The `version` in quotation marks, for `If-Match`.",
    documentation_only=True,
)
VERSION: Final = re.compile(r'"(0|[1-9][0-9]{0,9})"')

IfVersion = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description='Change the settings only if they still have this `version`: the ETag of an answer, such as `"3"`.',
        schema_extra={"pattern": f"^{VERSION.pattern}$"},
    ),
]


class KeyRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`now`: true to replace all keys at once."""

    now: bool = False


Secret = Annotated[str | UnsetType | None, msgspec.Meta(description="Stored sealed, and never answered.")]


class ProviderPatch(UserProvider, frozen=True, forbid_unknown_fields=True):
    """A provider with its secret."""

    client_secret: Secret = UNSET


class CaptchaPatch(Captcha, frozen=True, forbid_unknown_fields=True):
    """The captcha with its secret."""

    secret: Secret = UNSET


WITH_SECRETS: Final = {"captcha": CaptchaPatch, "providers": dict[str, ProviderPatch]}

# The body is a merge patch: `null` restores the default of a field.
AuthPatch: Final = msgspec.defstruct(
    "AuthPatch",
    [
        (field.name, WITH_SECRETS.get(field.name, field.type) | None | UnsetType, UNSET)
        for field in msgspec.structs.fields(ProjectAuth)
    ],
    forbid_unknown_fields=True,
)


@get(
    "/api/projects/{project:str}/auth",
    summary="Get the settings for end users",
    tags=TAGS,
    response_headers=[TAG],
)
async def get_project_auth(member: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> Response[ShownAuth]:
    """`secrets` contains the names of the secrets that are set. No response contains the value of a secret."""
    return _tagged(await tenant_auth.project_auth(member))


@patch(
    "/api/projects/{project:str}/auth",
    summary="Change the settings for end users",
    tags=TAGS,
    operation_class=reads(AuthPatch),
    response_headers=[TAG],
)
async def change_project_auth(
    member: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    request: Request[Any, Any, Any],
    body: bytes,
    if_match: IfVersion = None,
) -> Response[ShownAuth]:
    """The body is a merge patch (RFC 7396): `null` restores a default. Secrets are `providers.<name>.client_secret` and
    `captcha.secret`."""
    check_json(request.headers.get("content-type", ""), "origin" in request.headers)
    patched, version = _object(body), _version(if_match)
    return _tagged(await tenant_auth.change_project_auth(member, patched, version))


def _tagged(shown: ShownAuth) -> Response[ShownAuth]:
    return Response(shown, headers={TAG.name: f'"{shown.version}"'})


def _object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body. Raises: Malformed, InvalidInput."""
    patched = read_json(body, Any)
    if not isinstance(patched, dict):
        raise InvalidInput.at("/", "Send a JSON object.")
    return patched


def _version(if_match: str | None) -> int | None:
    """Return the version in the request. Raises: Malformed."""
    if if_match is None:
        return None
    match = VERSION.fullmatch(if_match)
    if match is None:
        raise Malformed('If-Match must be the version in quotation marks, such as "3".')
    return int(match[1])


@post(
    "/api/projects/{project:str}/auth/signing-keys/rotate",
    summary="Rotate the keys that sign users' tokens",
    tags=TAGS,
    status_code=200,
)
async def rotate_user_keys(
    member: Injected[Caller], tenant_auth: Injected[TenantAuth], data: KeyRotation
) -> RotatedKeys:
    """Needs recent reauthentication. BunBase publishes the next key at once, and signs with it a few minutes later.

    All users stay signed in.

    With `now`, BunBase replaces all keys. Use this if somebody else may have one of the keys. Access tokens, custom
    tokens and service tokens of the project become invalid within a second. Sessions stay open, and clients get new
    tokens with a refresh.
    """
    return await tenant_auth.rotate_user_keys(member, data.now)


ROUTES = (get_project_auth, change_project_auth, rotate_user_keys)
