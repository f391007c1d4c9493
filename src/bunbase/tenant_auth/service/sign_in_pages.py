"""Sign people in on the ready-made page of a project, for an app that has sent the browser there.

The life of one sign-in:

    1. The app makes a PKCE pair, and sends the browser to the page with the challenge. No cookie is set: every form of
       the page carries the request of the app in its address.
    2. The person signs in on the page, as an app would do it: with the same checks, limits and problems. A session is
       opened. Its tokens stay here, sealed, under a new code (`page_codes.py`).
    3. The browser goes to `redirect_to` with the code. The app trades it, with its PKCE verifier, for the tokens.

Concern: a stranger lets a person sign in with the stranger's request (login CSRF), or steals the code from a history.
Decision: the code is of no use without the verifier, which never leaves the browser in which the app has begun; and the
    code goes only to an address that the project allows. So there is nothing for a cookie to protect.
"""

from __future__ import annotations

from typing import Final, assert_never

import msgspec

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.identities import UserCodeExchange
from bunbase.contracts.tenant_auth.pages import UserPage
from bunbase.contracts.tenant_auth.problems import MfaEnrolmentRequired
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.settings import Signups
from bunbase.contracts.tenant_auth.sign_in_page import (
    BY_LINK,
    RETURN,
    SIGN_IN,
    ByEnrolment,
    ByMailedCode,
    ByMailedLink,
    ByPasskey,
    ByPassword,
    ByPhone,
    BySecondFactor,
    ByService,
    BySignUp,
    PageEnd,
    PageRequest,
    Shown,
    SignInLook,
)
from bunbase.contracts.tenant_auth.signups import SignupDetails, WayBack
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.identity.external import ExternalRedirect, ExternalStart
from bunbase.pkg.identity.external_login import CHALLENGE
from bunbase.pkg.identity.factors import PasskeyOptions, SecondFactor
from bunbase.pkg.identity.problems import ExternalLoginExpired
from bunbase.pkg.identity.redirects import with_parameters
from bunbase.pkg.opaque import fingerprint
from bunbase.tenant_auth.admissions import confirms_addresses
from bunbase.tenant_auth.journal import SYSTEM, Event
from bunbase.tenant_auth.page_codes import READING_SECONDS, SECONDS, is_right_verifier
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.callers import keyed_project, linked_project
from bunbase.tenant_auth.service.external import ExternalAccounts
from bunbase.tenant_auth.service.mailbox_sign_in import MailboxSignIn
from bunbase.tenant_auth.service.passkeys import UserPasskeys
from bunbase.tenant_auth.service.phone import PhoneSignIn, ready
from bunbase.tenant_auth.service.second_factor import SecondFactorSignIn
from bunbase.tenant_auth.service.sign_in import SignIn
from bunbase.tenant_auth.service.sign_up import SignUp
from bunbase.tenant_auth.sign_up_links import page_request

MAX_STATE: Final = 500  # characters
MAX_BACK: Final = 3000


class SignInPages:
    def __init__(
        self,
        sign_in: SignIn,
        sign_up: SignUp,
        by_mailbox: MailboxSignIn,
        by_phone: PhoneSignIn,
        second_factor: SecondFactorSignIn,
        passkeys: UserPasskeys,
        external: ExternalAccounts,
    ) -> None:
        self.sign_in = sign_in
        self.sign_up = sign_up
        self.by_mailbox = by_mailbox
        self.by_phone = by_phone
        self.second_factor = second_factor
        self.passkeys = passkeys
        self.external = external
        self.pools = sign_in.pools
        self.sessions = sign_in.stores.sessions

    async def look(self, caller: Caller, request: PageRequest) -> SignInLook:
        """Raises: Forbidden, InvalidInput."""
        pool = await self._pool(caller, request)
        chosen = pool.auth.captcha
        return SignInLook(
            *msgspec.structs.astuple(look_of(pool)),
            signups=pool.auth.signups is Signups.OPEN,
            passkeys=pool.has_passkeys_here,
            confirms=confirms_addresses(pool.auth),
            phones=ready(pool),
            providers=pool.external.list().items,
            captcha=chosen if chosen.provider else None,
        )

    async def end(self, caller: Caller, request: PageRequest, shown: Shown) -> PageEnd:
        """Sign a person in, and return where the browser goes. Raises: the problems of the way to sign in."""
        pool = await self._pool(caller, request)
        if isinstance(shown, ByEnrolment):
            enrolled = await self.second_factor.confirm_enrolment(caller, shown.challenge, shown.code)
            url = await self._url(pool, request, enrolled, READING_SECONDS)
            return PageEnd(url, enrolled.recovery_codes)
        signed_in = await self._signed_in(caller, pool, request, shown)
        return PageEnd(await self._url(pool, request, signed_in) if signed_in else "")

    async def open_confirmed(self, caller: Caller, token: str, password: str) -> WayBack:
        """Create the user that the link of a mail is for, and return the way back to the app.

        A person who began on the sign-in page is signed in. The code is of use only to the app that has sent the
        browser to the page. Raises: as `SignUp.confirm`.
        """
        pool, kept = await self.pools.of(linked_project(caller)), await self.sign_up.kept(caller, token)
        request = page_request(kept.page)
        if request is None or not pool.way_back(request.redirect_to):
            await self.sign_up.open_confirmed(caller, token, password)
            return WayBack(pool.way_back(kept.redirect_to))
        try:
            signed_in = await self.sign_up.confirm(caller, token, password)
        except MfaEnrolmentRequired:  # the user exists now, and sets the factor up after the password
            return WayBack(kept.page, signed_in=True)
        return WayBack(await self._url(pool, request, signed_in), signed_in=True)

    async def start(
        self, caller: Caller, request: PageRequest, provider: str, back: str, browser: str
    ) -> ExternalRedirect:
        """Raises: ProviderNotFound, ProviderUnavailable, Forbidden, InvalidInput."""
        pool = await self._pool(caller, request)
        _check_back(back, RETURN)
        url = f"{self.pools.site.public_url.rstrip('/')}{back}"
        start = ExternalStart(url, request.code_challenge, browser=browser)
        return await pool.external_on_page.start(provider, start)

    async def mail_link(self, caller: Caller, request: PageRequest, email: str, back: str, captcha: str) -> None:
        """Raises: Forbidden, InvalidInput, CaptchaRequired, CaptchaRefused, CaptchaUnavailable."""
        await self._pool(caller, request)
        _check_back(back, BY_LINK)
        await self.by_mailbox.request_page_link(caller, email, back, captcha)

    async def passkey_options(self, caller: Caller, challenge: str | None) -> PasskeyOptions:
        """Raises: ChallengeExpired, PasskeysUnavailable."""
        if challenge is None:
            return await self.passkeys.sign_in_options(caller)
        return await self.second_factor.passkey_options(caller, challenge)

    async def exchange(self, caller: Caller, exchange: UserCodeExchange) -> UserSignedIn:
        """Trade a code for the tokens of its session. Raises: ExternalLoginExpired.

        A wrong verifier uses the code up, and ends the session: somebody else has seen the code.
        """
        pool = await self.pools.of(keyed_project(caller))
        found = await pool.page_codes.take(exchange.code)
        if found is not None and is_right_verifier(found, exchange.verifier):
            return await pool.page_codes.tokens(exchange.code, found)
        if found is not None:
            await self._end(pool, found.session)
        raise ExternalLoginExpired("This code is used up, expired, or belongs to another client: sign in again.")

    async def _end(self, pool: Pool, session: str) -> None:
        """End a session whose code somebody else has seen."""
        until, now = await self.pools.revoked_until(), pool.clock.now()
        async with pool.stores.db.transaction():
            user = await self.sessions.user_of(pool.project, session, now)
            if await self.sessions.end(pool.project, session, now, until) and user is not None:
                event = Event(UserAct.SESSION_END, "wrong_verifier", session)
                await self.pools.journal.add(pool.project, user, event, SYSTEM)

    async def _signed_in(self, caller: Caller, pool: Pool, request: PageRequest, shown: Shown) -> UserSignedIn | None:
        """Return None if a mail was sent, whose link creates the user."""
        match shown:
            case ByPassword(email, password):
                return await self.sign_in.with_password(caller, email, password)
            case BySignUp(email, password, captcha, back):
                _check_back(back, SIGN_IN)
                details = SignupDetails(redirect_to=request.redirect_to, page=back)
                return await self.sign_up.sign_up(caller, email, password, {}, captcha, details)
            case ByMailedCode(email, code):
                return await self.by_mailbox.with_code(caller, email, code)
            case ByMailedLink(token):
                return await self.by_mailbox.with_link(caller, token)
            case ByPhone(phone, code):
                return await self.by_phone.with_code(caller, phone, code)
            case BySecondFactor(challenge, code, passkey):
                return await self.second_factor.finish(caller, challenge, SecondFactor(code, passkey))
            case ByPasskey(credential):
                return await self.passkeys.sign_in(caller, credential)
            case ByService(code):
                person = await pool.external_on_page.take_for(code, request.code_challenge)
                return await self.external.sign_in_as(caller, pool, person)
            case ByEnrolment():
                raise ValueError("an enrolment has recovery codes, which the page shows first")
            case other:
                assert_never(other)

    async def _pool(self, caller: Caller, request: PageRequest) -> Pool:
        """Return the project of a checked request. Raises: Unauthenticated, Forbidden, InvalidInput."""
        pool = await self.pools.of(keyed_project(caller))
        if caller.kind is not CallerKind.PUBLISHABLE or caller.user is not None:
            raise Forbidden("key: Send the publishable key of the project (pk_…) as this parameter, and no token.")
        if not request.redirect_to:
            raise InvalidInput.at("/redirect_to", "Send the address of the app that gets the code.")
        pool.checked_redirect(request.redirect_to)
        if not CHALLENGE.fullmatch(request.code_challenge):
            raise InvalidInput.at("/code_challenge", "Send a PKCE challenge by the method S256 (RFC 7636).")
        if len(request.state) > MAX_STATE or not request.state.isprintable():
            raise InvalidInput.at("/state", f"A state has at most {MAX_STATE} printable characters.")
        return pool

    async def _url(self, pool: Pool, request: PageRequest, signed_in: UserSignedIn, seconds: int = SECONDS) -> str:
        """Return the address of the app with a new code for a session that was just opened."""
        token = await self.sessions.refresh_token(pool.project, fingerprint(signed_in.refresh_token))
        if token is None:  # the user was deleted meanwhile
            raise ExternalLoginExpired("Sign in again.")
        code = await pool.page_codes.new(signed_in, token.session, request.code_challenge, seconds)
        state = {"state": request.state} if request.state else {}
        return with_parameters(request.redirect_to, code=code, **state)


def look_of(pool: Pool) -> UserPage:
    page = pool.auth.sign_in_page
    app_url = pool.way_back(next(iter(pool.auth.redirect_urls), ""))
    return UserPage(pool.app_name, page.languages, page.accent, pool.auth.password.min_length, app_url)


def _check_back(back: str, page: str) -> None:
    """Raises: InvalidInput, if an address does not lead to this page."""
    if not back.startswith(f"{page}?") or len(back) > MAX_BACK or not back.isascii() or not back.isprintable():
        raise InvalidInput("The address of the page is too long, or not valid: begin again in the app.")
