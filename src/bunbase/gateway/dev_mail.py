"""The mailbox of dev mode, `GET /api/dev/mail`: the mails of all rooms.

Production does not mount this route, so the OpenAPI document does not have it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get
from litestar.params import QueryParameter

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.gateway.credentials import FORWARDED_HEADER
from bunbase.pkg.cursors import DEFAULT_LIMIT, cut_page, page_start
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.http import NO_STORE, Cursor, Injected, Limit
from bunbase.pkg.mail.letters import DevMail

ID_PREFIX: Final = "prj_"
FORWARDED: Final = ("forwarded", FORWARDED_HEADER)

Filter = Annotated[str, QueryParameter(max_length=300)]


class SentMail(msgspec.Struct, frozen=True):
    """One mail. `project`: the id of the project that sent the mail; empty for the installation.

    `html` may be empty.
    """

    id: str
    to: str
    project: str
    subject: str
    text: str
    html: str
    at: datetime


class SentMails(msgspec.Struct, frozen=True):
    items: tuple[SentMail, ...]
    next: str | None = None


@get("/api/dev/mail", include_in_schema=False, cache_control=NO_STORE)
async def get_dev_mail(
    anyone: Injected[Caller],
    bunauth: Injected[BunAuth],
    platform: Injected[Platform],
    tenant_auth: Injected[TenantAuth],
    request: Request[Any, Any, Any],
    to: Filter = "",
    project: Filter = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> SentMails:
    """Returns the mails of the last day, newest first. Only programs on this machine may read the mails.

    `project`: the id or slug of a project.
    """
    check_local(anyone, request)
    if project and not project.startswith(ID_PREFIX):
        project = await platform.project_of(project)
    query = f"dev mail {to} {project}"
    before = page_start(query, cursor, str, "")
    asked = (to, project, limit + 1, before)
    found = await asyncio.gather(bunauth.dev_mails(*asked), platform.dev_mails(*asked), tenant_auth.dev_mails(*asked))
    page, next = cut_page(_newest(found), limit, query, lambda mail: mail.id)
    return SentMails(tuple(SentMail(**msgspec.structs.asdict(mail)) for mail in page), next)


def check_local(caller: Caller, request: Request[Any, Any, Any]) -> None:
    """Refuse callers on other machines. A request that a proxy has passed on may come from any machine.

    Raises: Forbidden.
    """
    forwarded = any(name in request.headers for name in FORWARDED)
    if forwarded or not _is_loopback(caller.ip):
        raise Forbidden("Read the mails of dev mode on the machine where BunBase runs, through localhost.")


def _newest(found: Sequence[Sequence[DevMail]]) -> list[DevMail]:
    return sorted((mail for mails in found for mail in mails), key=lambda mail: mail.id, reverse=True)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
