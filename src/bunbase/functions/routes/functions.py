"""`/api/projects/{project}/functions`: deployments and versions."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post, put
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Response

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.deployments import Version, Versions
from bunbase.contracts.functions.service import Functions
from bunbase.functions.routes.deploy_form import FORM, bundle_of
from bunbase.functions.routes.path_parameters import FunctionName, VersionNumber
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit

TAGS = ["Functions"]

# The bundle, the source map, the config and the multipart boundaries together have at most this size.
MAX_DEPLOY_BYTES: Final = 31 << 20


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`version`: the version to activate. The default is the newest version that is older than the active version."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None


@get("/api/projects/{project:str}/functions", summary="List functions", tags=TAGS)
async def list_functions(
    member: Injected[Caller], functions: Injected[Functions], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Versions:
    """Returns the active version of each function."""
    return await functions.functions(member, limit, cursor)


@put(
    "/api/projects/{project:str}/functions/{name:str}",
    summary="Deploy a function",
    tags=TAGS,
    status_code=201,
    request_max_body_size=MAX_DEPLOY_BYTES,
)
async def deploy_function(
    member: Injected[Caller],
    functions: Injected[Functions],
    name: FunctionName,
    data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART, schema_extra=FORM)],
) -> Version:
    """The parts are `bundle` (one CommonJS file, as `bun build --target=bun --format=cjs` writes it), `config` (JSON)
    and `source_map`; only `bundle` is required. BunBase loads the new version once before the version becomes active.
    """
    return await functions.deploy(member, name, await bundle_of(data))


@get("/api/projects/{project:str}/functions/{name:str}", summary="Get a function's active version", tags=TAGS)
async def get_function(member: Injected[Caller], functions: Injected[Functions], name: FunctionName) -> Version:
    return await functions.function(member, name)


@delete("/api/projects/{project:str}/functions/{name:str}", summary="Delete a function", tags=TAGS)
async def delete_function(member: Injected[Caller], functions: Injected[Functions], name: FunctionName) -> None:
    """Also deletes all versions and logs of the function. Running calls are completed."""
    await functions.delete_function(member, name)


@get("/api/projects/{project:str}/functions/{name:str}/versions", summary="List a function's versions", tags=TAGS)
async def list_versions(
    member: Injected[Caller],
    functions: Injected[Functions],
    name: FunctionName,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Versions:
    """Returns versions, newest first."""
    return await functions.versions(member, name, limit, cursor)


@get(
    "/api/projects/{project:str}/functions/{name:str}/versions/{version:int}/bundle",
    summary="Get a version's code",
    tags=TAGS,
    media_type="application/javascript",
)
async def get_bundle(
    member: Injected[Caller], functions: Injected[Functions], name: FunctionName, version: VersionNumber
) -> Response[bytes]:
    """Returns the deployed file. Requires the role `developer`, because code may contain secrets."""
    bundle = await functions.bundle(member, name, version)
    headers = {
        "content-disposition": f'attachment; filename="{name}.v{version}.js"',
        "x-content-type-options": "nosniff",
    }
    return Response(bundle.code, media_type="application/javascript", headers=headers)


@post("/api/projects/{project:str}/functions/{name:str}/rollback", summary="Roll back", tags=TAGS, status_code=200)
async def rollback_function(
    member: Injected[Caller], functions: Injected[Functions], name: FunctionName, data: Rollback | None = None
) -> Version:
    """Activates an older version. New calls run this version at once. No version is deleted."""
    return await functions.rollback(member, name, (data or Rollback()).version)


ROUTES = (list_functions, deploy_function, get_function, delete_function, list_versions, get_bundle, rollback_function)
