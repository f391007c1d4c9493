"""Read the mails that tenant-auth has posted, in the mailbox of dev mode."""

from __future__ import annotations

import re
from urllib.parse import unquote

from bunbase.pkg.mail.letters import DevMail
from bunbase.tenant_auth.service import TenantAuthService
from tests.pkg.waiting import until_true
from tests.tenant_auth.people import BAKERY

LINK = re.compile(r"/v1/auth/ui/([a-z-]+)\?project=(\w+)&token=(\S+)")


async def mails(room: TenantAuthService, to: str, project: str = BAKERY) -> list[DevMail]:
    """Wait for all requested mails. Return the mails to an address, newest first."""
    await until_true(lambda: room.stores.db.value("SELECT NOT EXISTS (SELECT FROM mail_requests)"))
    return list(await room.dev_mails(to, project, 50, ""))


async def link(room: TenantAuthService, to: str, page: str, project: str = BAKERY) -> str:
    """Return the token in the newest mail of a project that goes to an address and has a link to this page."""
    for mail in await mails(room, to, project):
        found = LINK.search(mail.text)
        if found and found[1] == page:
            assert found[2] == mail.project == project
            return unquote(found[3])
    raise AssertionError(f"no mail of {project} to {to} links to {page}")


async def kinds(room: TenantAuthService, to: str, project: str = BAKERY) -> list[str]:
    """Return the kinds of the mails of a project to an address, oldest first."""
    query = "SELECT array_agg(kind ORDER BY id) FROM mails WHERE project = $1 AND recipient = $2"
    return await room.stores.db.value(query, project, to) or []
