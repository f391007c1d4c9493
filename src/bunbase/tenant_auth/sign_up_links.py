"""The data that the database stores with a link that creates a user, until the link is used."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from bunbase.contracts.tenant_auth.sign_in_page import PageRequest
from bunbase.pkg.identity.email_changes import CHANGE_OF_NEW, CHANGE_OF_OLD
from bunbase.pkg.identity.problems import LinkExpired
from bunbase.pkg.identity.store.mail_tokens import MailToken
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.pool import Pool

ROLE: Final = "user"
SIGN_UPS: Final = (MailKind.SIGN_UP, MailKind.INVITE)
# For these kinds, the name of a link is a URL of an app.
TO_APP: Final = (MailKind.PASSWORD_RESET, MailKind.VERIFY_EMAIL)


class KeptSignUp(msgspec.Struct, frozen=True, array_like=True):
    """The stored data. `language`: the person's language.

    `redirect_to` and `page` mean the same as in `SignupDetails`.
    """

    data: dict[str, Any]
    name: str = ""
    language: str = ""
    redirect_to: str = ""
    page: str = ""
    role: str = ROLE


class _KeptInvite(msgspec.Struct, frozen=True):
    role: str
    data: dict[str, Any]
    language: str = ""
    redirect_to: str = ""  # Older versions did not store this value.


def kept_of(link: MailToken) -> KeptSignUp:
    if link.kind == MailKind.INVITE:
        invite = msgspec.json.decode(link.name, type=_KeptInvite)
        return KeptSignUp(invite.data, language=invite.language, redirect_to=invite.redirect_to, role=invite.role)
    if not link.name.startswith("["):  # A version that stored only the data has written this link.
        return KeptSignUp(msgspec.json.decode(link.name) if link.name else {})
    return msgspec.json.decode(link.name, type=KeptSignUp)


def page_request(page: str) -> PageRequest | None:
    """Return the parameters of the app that has sent a person to the sign-in page, or None if `page` is empty."""
    sent = dict(parse_qsl(urlsplit(page).query))
    return PageRequest(sent["redirect_to"], sent["code_challenge"], sent.get("state", "")) if page else None


async def mailed_target(pool: Pool, token: str) -> str:
    """Return the URL of the app to which the page behind a valid link leads back, or "" for none.

    Raises: LinkExpired.
    """
    found = await pool.links.find(token, *SIGN_UPS, *TO_APP, CHANGE_OF_OLD, CHANGE_OF_NEW)
    if found is None:
        raise LinkExpired("Ask for a new mail, and use its link.")
    if found.kind in TO_APP:
        return pool.way_back(found.name)
    if found.kind not in SIGN_UPS:
        return ""
    kept = kept_of(found)
    request = page_request(kept.page)
    return pool.way_back(request.redirect_to if request else kept.redirect_to)
