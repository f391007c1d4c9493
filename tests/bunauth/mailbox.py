"""Read the mails that BunAuth has posted, in the mailbox of dev mode."""

from __future__ import annotations

import re
from typing import Any

from bunbase.bunauth.service import BunAuthService
from bunbase.pkg.mail.letters import DevMail
from tests.pkg.waiting import until_true

LINK = re.compile(r"/account/([a-z-]+)\?token=(\S+)")


async def answered(bunauth: BunAuthService) -> None:
    """Wait until the job has processed all requests for mails."""
    await until_true(lambda: bunauth.stores.db.value("SELECT NOT EXISTS (SELECT FROM mail_requests)"))


async def mails(bunauth: BunAuthService, to: str) -> list[DevMail]:
    """Wait for all requested mails. Return the mails to an address, newest first."""
    await answered(bunauth)
    return list(await bunauth.dev_mails(to, "", 50, ""))


async def link(bunauth: BunAuthService, to: str, page: str) -> str:
    """Return the token from the newest mail to an address with a link to this page."""
    for mail in await mails(bunauth, to):
        found = LINK.search(mail.text)
        if found and found[1] == page:
            assert f"token={found[2]}" in mail.html
            return found[2]
    raise AssertionError(f"no mail to {to} links to {page}")


async def kinds(bunauth: BunAuthService, to: str) -> list[Any]:
    """Return the kinds of all mails to an address, oldest first."""
    await answered(bunauth)
    found = await bunauth.stores.db.value("SELECT array_agg(kind ORDER BY id) FROM mails WHERE recipient = $1", to)
    return found or []
