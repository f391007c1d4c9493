"""Sign-in by another service or a passkey on a page of the server, for one act on that page.

The life of one sign-in: the person leaves a page, such as `/device`, for another service, and returns with a code. The
code becomes a *pass*: a secret in a cookie, which is valid for only one act, on exactly this page. The page then shows
the account, and the person decides on the page.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import msgspec

from bunbase.contracts.bunauth.accounts import Account
from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.external import ExternalRedirect, LoginProvider

START: Final = "/account/sign-in/with"  # the path continues with the name of a provider
RETURN: Final = "/account/sign-in/return"
SECOND_FACTOR: Final = "/account/sign-in/code"
PASSKEY: Final = "/account/sign-in/passkey"
PASSKEY_OPTIONS: Final = "/api/auth/login/passkey/options"
PASS_COOKIE: Final = "pass"
PASS_SECONDS: Final = 300
MAX_KEY: Final = 100  # a key may have at most this number of characters


class PageName(StrEnum):
    DEVICE = "device"
    INVITE = "invite"
    OAUTH = "oauth"


ADDRESSES: Final = {
    PageName.DEVICE: ("/device", "user_code"),
    PageName.INVITE: ("/invite", "token"),
    PageName.OAUTH: ("/oauth/consent", "request"),
}


class ActPage(msgspec.Struct, frozen=True):
    """The page on which a person acts. `key`: the code of the device, or the token of the invitation or request."""

    page: PageName
    key: str

    @property
    def address(self) -> str:
        """The path of the page.

        BunBase takes the path from a table, so a changed form cannot lead to another address.
        """
        path, parameter = ADDRESSES[self.page]
        return f"{path}?{urlencode({parameter: self.key})}"

    def start(self, provider: str) -> str:
        """Return the URL that leads from this page to another service."""
        return f"{START}/{provider}?{urlencode({'page': self.page.value, 'key': self.key})}"

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Names and values of the hidden fields that name the page."""
        return ("page", self.page.value), ("key", self.key)


class PageReturn(msgspec.Struct, frozen=True):
    """The request with which a browser returns from another service. `browser`: the value of the browser's cookie.

    `sealed`: the page that the browser left, as it was sealed at the start. `error`: the reason why there is no code.
    """

    sealed: str
    browser: str
    code: str = ""
    error: str = ""


class PagePass(msgspec.Struct, frozen=True):
    """The page to return to, and the value of the cookie.

    `error`: the reason why the service has not signed the person in.
    """

    to: ActPage
    cookie: str = ""
    error: str = ""


class PageWays(msgspec.Struct, frozen=True):
    """The ways to sign in on a page. `email`: the address of the account whose pass the browser has.

    `challenge`: the challenge of a sign-in on this page that waits for its second factor. `newcomer`: on the page of an
    invitation, the address of a person who signed in at another service and has no account here.
    """

    providers: tuple[LoginProvider, ...] = ()
    email: str = ""
    challenge: str = ""
    newcomer: str = ""


NO_WAYS: Final = PageWays()


class PageSignIns(Protocol):
    async def start_page_sign_in(self, provider: str, to: ActPage, browser: str) -> ExternalRedirect:
        """Send a browser to another service. Raises: ProviderNotFound, ProviderUnavailable, InvalidInput."""
        ...

    async def finish_page_sign_in(self, caller: Caller, back: PageReturn) -> PagePass:
        """Return the pass of a person who comes back from the service. No session is opened.

        Raises: ExternalLoginExpired if another browser, page or person began the sign-in; also the errors of
        `exchange_code`.
        """
        ...

    async def page_second_factor(self, caller: Caller, to: ActPage, challenge: str, code: str) -> PagePass:
        """Return the pass after the second factor. Raises: ChallengeExpired, WrongCode, RateLimited."""
        ...

    async def page_passkey(self, caller: Caller, to: ActPage, challenge: str, credential: dict[str, Any]) -> PagePass:
        """Return the pass after a sign-in with a passkey.

        `challenge`: if the passkey is a second factor, the challenge of that sign-in; otherwise "".

        Raises: ChallengeExpired, WrongPasskey, PasskeysUnavailable, RateLimited.
        """
        ...

    async def page_ways(self, to: ActPage, cookie: str) -> PageWays:
        """Return the ways to sign in on a page. `cookie`: the cookie of the pass."""
        ...

    async def identify_by_pass(self, caller: Caller, to: ActPage, cookie: str) -> Account:
        """Return the account of a pass. The pass cannot be used again. No session stays open.

        Raises: ChallengeExpired, AccountSuspended, InvalidCredentials.
        """
        ...

    async def decide_device_login_by_pass(self, caller: Caller, user_code: str, cookie: str, approve: bool) -> None:
        """Approve or deny the sign-in of a device. Raises: DeviceNotFound, and the problems of `identify_by_pass`."""
        ...
