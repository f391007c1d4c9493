"""The ready-made page on which the users of a project sign in. An app sends a browser to the page, and gets a code
back.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.pages import UserPage
from bunbase.pkg.identity.external import ExternalRedirect, LoginProvider
from bunbase.pkg.identity.factors import PasskeyOptions

SIGN_IN: Final = "/v1/auth/ui"
BY_LINK: Final = "/v1/auth/ui/by-link"  # the page to which a mailed link of the sign-in page leads
RETURN: Final = "/v1/auth/ui/return"  # the page to which a sign-in at another service leads


class PageRequest(msgspec.Struct, frozen=True):
    """The request of an app. `redirect_to`: the URL of the app that gets the code.

    `code_challenge`: the app's PKCE challenge (S256). `state`: a text that is returned to the app unchanged.
    """

    redirect_to: str
    code_challenge: str
    state: str = ""


class SignInLook(UserPage, frozen=True, kw_only=True):
    """`signups`: true if everybody may sign up. `passkeys`: true if the passkeys of the project belong to the site of
    the page.

    `confirms`: true if a sign-up needs the link of a mail, and the person chooses the password on the page of the
    link. `phones`: true if people can sign in by text message.
    """

    signups: bool
    passkeys: bool
    confirms: bool = False
    phones: bool = False
    providers: tuple[LoginProvider, ...] = ()


class ByPassword(msgspec.Struct, frozen=True, tag=True):
    email: str
    password: str


class BySignUp(msgspec.Struct, frozen=True, tag=True):
    """`captcha`: the token of the widget; empty for none. `back`: the path and query of the sign-in page, which begins
    with SIGN_IN; the link of a mail leads back to the app of this page.
    """

    email: str
    password: str
    captcha: str = ""
    back: str = ""


class ByMailedCode(msgspec.Struct, frozen=True, tag=True):
    email: str
    code: str


class ByMailedLink(msgspec.Struct, frozen=True, tag=True):
    token: str


class ByPhone(msgspec.Struct, frozen=True, tag=True):
    """`code`: the code of a text message to this number."""

    phone: str
    code: str


class BySecondFactor(msgspec.Struct, frozen=True, tag=True):
    """`passkey`: the answer of the browser; None if a code was typed."""

    challenge: str
    code: str = ""
    passkey: dict[str, Any] | None = None


class ByPasskey(msgspec.Struct, frozen=True, tag=True):
    credential: dict[str, Any]


class ByService(msgspec.Struct, frozen=True, tag=True):
    """`code`: the code with which another service has sent the browser back."""

    code: str


class ByEnrolment(msgspec.Struct, frozen=True, tag=True):
    challenge: str
    code: str


# the proof with which a person signs in, or the answer of another service
Shown = (
    ByPassword | BySignUp | ByMailedCode | ByMailedLink | ByPhone | BySecondFactor | ByPasskey | ByService | ByEnrolment
)


class PageEnd(msgspec.Struct, frozen=True):
    """`url`: the URL of the app, with a code; empty if a mail was sent instead.

    `recovery_codes`: the recovery codes of a second factor that was set up just now. The codes are shown only here.
    """

    url: str = ""
    recovery_codes: tuple[str, ...] = ()


class UserSignInPages(Protocol):
    """Every call checks the request: the key must be publishable, and the project must allow `redirect_to`.

    Otherwise, the call raises Forbidden or InvalidInput, and no browser is sent to the URL.
    """

    async def sign_in_look(self, caller: Caller, request: PageRequest) -> SignInLook:
        """Return what the page shows."""
        ...

    async def sign_in_on_page(self, caller: Caller, request: PageRequest, shown: Shown) -> PageEnd:
        """Sign a person in or up. The app exchanges the returned code for tokens with `exchange_user_code`.

        Raises: the problems of the way to sign in; after SecondFactorRequired and MfaEnrolmentRequired, one more step
        is needed.
        """
        ...

    async def start_service_on_page(
        self, caller: Caller, request: PageRequest, provider: str, back: str, browser: str
    ) -> ExternalRedirect:
        """Return the URL of another service. `back`: the path and query of the page to come back to; it begins with
        RETURN. `browser`: the secret in the cookie of an earlier start.

        Raises: ProviderNotFound, ProviderUnavailable.
        """
        ...

    async def mail_link_of_page(
        self, caller: Caller, request: PageRequest, email: str, back: str, captcha: str
    ) -> None:
        """Send a link that signs in on the page. `back`: the path and query of the page to come back to; it begins with
        BY_LINK.

        The answer does not show whether the address has a user. Raises: CaptchaRequired, CaptchaRefused.
        """
        ...

    async def passkey_options_on_page(self, caller: Caller, challenge: str | None) -> PasskeyOptions:
        """Return the options for a passkey, like `passkey_login_options`.

        Raises: ChallengeExpired, PasskeysUnavailable.
        """
        ...
