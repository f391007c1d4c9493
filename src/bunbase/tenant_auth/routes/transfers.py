"""Import and export of users as lines of JSON."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, get, post
from litestar.params import QueryParameter
from litestar.response import Stream

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.transfers import ImportChoices, ImportedUsers, OnConflict, UserLine
from bunbase.contracts.tenant_auth.users import USER_ID
from bunbase.pkg.errors import Problem
from bunbase.pkg.http import Injected
from bunbase.pkg.line_streams import feed_body, lines_answer
from bunbase.pkg.ndjson import NDJSON, LinesBody
from bunbase.pkg.openapi import answers, reads
from bunbase.tenant_auth.import_batches import ImportingUsers

TAGS: Final = ["End users: administration"]

AnyRequest = Request[Any, Any, Any]
Conflict = Annotated[OnConflict, QueryParameter(description="How to treat a line whose user is there already.")]
DryRun = Annotated[bool, QueryParameter(description="Check the lines, and write nothing.")]
FromLine = Annotated[int, QueryParameter(ge=1, le=1 << 53, description="Skip the lines before this number.")]
Hashes = Annotated[bool, QueryParameter(description="With the hashes of the passwords.")]
After = Annotated[str, QueryParameter(pattern=f"^$|{USER_ID}", description="Continue after the user with this id.")]

EXPORTED: Final = {200: answers(UserLine, "NDJSON: one user in each line, ordered by id.", NDJSON)}
IMPORTED: Final = {200: answers(ImportedUsers, "The number of lines of each kind, and the refused lines.")}


@post(
    "/v1/auth/users/import",
    summary="Import users",
    tags=TAGS,
    status_code=200,
    operation_class=reads(LinesBody, NDJSON),
    request_max_body_size=None,
    responses=IMPORTED,
)
async def import_users(
    operator: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    request: AnyRequest,
    on_conflict: Conflict = OnConflict.SKIP,
    dry_run: DryRun = False,
    from_line: FromLine = 1,
) -> ImportedUsers:
    """Takes NDJSON of any length, in the form of an export, and adds the user in each line, with the hash of the
    password that the user had elsewhere. BunBase sends no mail.

    A refused line counts as `failed` and does not stop the import. The response lists the first 1,000 refused lines. If
    you import the same file twice, no user is added twice. If the import itself stops, the problem has `last_line`:
    send the whole file again, or use `from_line` to import only the lines after `last_line`.
    """
    choices = ImportChoices(on_conflict, dry_run)
    # This call refuses a caller without permission before the body arrives.
    await tenant_auth.import_users(operator, choices, ())
    importing = ImportingUsers(lambda lines: tenant_auth.import_users(operator, choices, lines), from_line)
    try:
        await feed_body(request, importing.feed)
        return await importing.end()
    except Problem as problem:
        problem.extra["last_line"] = importing.done.last_line
        raise


@get("/v1/auth/users/export", summary="Export users", tags=TAGS, responses=EXPORTED)
async def export_users(
    operator: Injected[Caller], tenant_auth: Injected[TenantAuth], hashes: Hashes = False, after: After = ""
) -> Stream:
    """Streams all users as NDJSON, ordered by id, in the form that an import takes.

    The hashes of the passwords (`hashes`) need the secret key, or the role admin with recent reauthentication. An
    export never contains second factors, passkeys or sessions. To continue an interrupted export, send the id in its
    last complete line as `after`.
    """
    return await lines_answer(tenant_auth.export_users(operator, hashes, after))


ROUTES: Final = (import_users, export_users)
