"""Sign people in on the ready-made page of a project, for an app that has sent the browser there.

The life of one sign-in:

    1. The app makes a PKCE pair, and sends the browser to the page with the challenge. BunBase sets no cookie: the URL
       of every form contains the parameters of the app.
    2. The person signs in on the page, with the same checks, limits and problems as in an app. A session is opened. The
       tokens of the session are stored sealed, under a new code (`page_codes.py`), in the transaction that stores the
       session.
    3. The browser goes to `redirect_to` with the code. The app exchanges the code and its PKCE verifier for the tokens.

Concern: an attacker makes a person sign in with the attacker's parameters (login CSRF), or steals the code from the
    browser's history.
Decision: the code is useless without the verifier, which never leaves the browser in which the app has begun. BunBase
    sends the code only to a URL that the project allows. So no cookie is needed.
"""

from __future__ import annotations

from functools import partial
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
from bunbase.tenant_auth.admissions import confirms_addresses
from bunbase.tenant_auth.journal import SYSTEM, Event
from bunbase.tenant_auth.page_codes import READING_SECONDS, SECONDS, is_right_verifier, new_page_code
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.callers import keyed_project, linked_project
from bunbase.tenant_auth.service.open_session import Also
from bunbase.tenant_auth.service.phone import ready
from bunbase.tenant_auth.service.ways import Ways
from bunbase.tenant_auth.sign_up_links import page_request
from bunbase.tenant_auth.store.page_codes import PageCode

MAX_STATE: Final = 500  # The state has at most this many characters.
MAX_BACK: Final = 3000


class PageEnding:
    """Ends one sign-in on the page, and stores the tokens of its session under a code.

    `code`: the latest code, or "" without a session.
    `seconds`: the time for which the code is valid.
    """

    def __init__(self, request: PageRequest, seconds: int = SECONDS) -> None:
        self.request = request
        self.seconds = seconds
        self.code = ""

    async def keep(self, pool: Pool, signed_in: UserSignedIn, session: str) -> Also:
        """Seal the tokens, and return a function that stores them.

        If the sign-in begins again, it makes another code.
        """
        self.code = code = new_page_code()
        sealed = await pool.page_codes.sealed(code, signed_in)
        page_code = PageCode(session, self.request.code_challenge, sealed)
        return partial(pool.page_codes.add, code, page_code, self.seconds)

    @property
    def url(self) -> str:
        """The URL of the app with the code, or "" without a session."""
        state = {"state": self.request.state} if self.request.state else {}
        return with_parameters(self.request.redirect_to, code=self.code, **state) if self.code else ""


class SignInPages:
    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.pools = ways.opening.pools
        self.sessions = ways.opening.stores.sessions

    async def look(self, caller: Caller, request: PageRequest) -> SignInLook:
        """Return the look of the page. Raises: Forbidden, InvalidInput."""
        pool = await self._pool(caller, request)
        return SignInLook(
            *msgspec.structs.astuple(look_of(pool)),
            signups=pool.auth.signups is Signups.OPEN,
            passkeys=pool.has_passkeys_here,
            confirms=confirms_addresses(pool.auth),
            phones=ready(pool),
            providers=pool.external.list().items,
        )

    async def end(self, caller: Caller, request: PageRequest, shown: Shown) -> PageEnd:
        """Sign a person in, and return the URL for the browser. Raises: the problems of the sign-in method."""
        pool = await self._pool(caller, request)
        ending = PageEnding(request, READING_SECONDS if isinstance(shown, ByEnrolment) else SECONDS)
        ways = self._ways(ending)
        if isinstance(shown, ByEnrolment):
            enrolled = await ways.second_factor.confirm_enrolment(caller, shown.challenge, shown.code)
            return PageEnd(ending.url, enrolled.recovery_codes)
        await self._sign_in(caller, pool, request, shown, ways)
        return PageEnd(ending.url)

    async def open_confirmed(self, caller: Caller, token: str, password: str) -> WayBack:
        """Create the user of a link in a mail, and return the way back to the app.

        A person who began on the sign-in page is signed in. Only the app that has sent the browser to the page can use
        the code. Raises: the problems of `SignUp.confirm`.
        """
        pool, kept = await self.pools.of(linked_project(caller)), await self.ways.sign_up.kept(caller, token)
        request = page_request(kept.page)
        if request is None or not pool.way_back(request.redirect_to):
            await self.ways.sign_up.open_confirmed(caller, token, password)
            return WayBack(pool.way_back(kept.redirect_to))
        ending = PageEnding(request)
        try:
            await self._ways(ending).sign_up.confirm(caller, token, password)
        # The user exists now, and sets up the second factor after the next sign-in with the password.
        except MfaEnrolmentRequired:
            return WayBack(kept.page, signed_in=True)
        return WayBack(ending.url, signed_in=True)

    async def start(
        self, caller: Caller, request: PageRequest, provider: str, back: str, browser: str
    ) -> ExternalRedirect:
        """Start a sign-in with another service.

        Raises: ProviderNotFound, ProviderUnavailable, Forbidden, InvalidInput.
        """
        pool = await self._pool(caller, request)
        _check_back(back, RETURN)
        url = f"{self.pools.site.public_url.rstrip('/')}{back}"
        start = ExternalStart(url, request.code_challenge, browser=browser)
        return await pool.external_on_page.start(provider, start)

    async def mail_link(self, caller: Caller, request: PageRequest, email: str, back: str, captcha: str) -> None:
        """Request a mail with a sign-in link.

        Raises: Forbidden, InvalidInput, CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        await self._pool(caller, request)
        _check_back(back, BY_LINK)
        await self.ways.by_mailbox.request_page_link(caller, email, back, captcha)

    async def passkey_options(self, caller: Caller, challenge: str | None) -> PasskeyOptions:
        """Return the options for a passkey. Raises: ChallengeExpired, PasskeysUnavailable."""
        if challenge is None:
            return await self.ways.passkeys.sign_in_options(caller)
        return await self.ways.second_factor.passkey_options(caller, challenge)

    async def exchange(self, caller: Caller, exchange: UserCodeExchange) -> UserSignedIn:
        """Exchange a code for the tokens of its session. Raises: ExternalLoginExpired.

        A wrong verifier uses up the code and ends the session, because somebody else has seen the code.
        """
        pool = await self.pools.of(keyed_project(caller))
        found = await pool.page_codes.take(exchange.code)
        if found is not None and is_right_verifier(found, exchange.verifier):
            return await pool.page_codes.tokens(exchange.code, found)
        if found is not None:
            await self._end(pool, found.session)
        raise ExternalLoginExpired("This code is used up, expired, or belongs to another client: sign in again.")

    async def _end(self, pool: Pool, session: str) -> None:
        """End a session, because somebody else has seen its code."""
        until, now = await self.pools.revoked_until(), pool.clock.now()
        async with pool.stores.db.transaction():
            user = await self.sessions.user_of(pool.project, session, now)
            if await self.sessions.end(pool.project, session, now, until) and user is not None:
                event = Event(UserAct.SESSION_END, "wrong_verifier", session)
                await self.pools.journal.add(pool.project, user, event, SYSTEM)

    def _ways(self, ending: PageEnding) -> Ways:
        """Return the sign-in methods, with sessions whose tokens are stored for the page."""
        return self.ways.with_opening(self.ways.opening.keeping(ending.keep))

    async def _sign_in(self, caller: Caller, pool: Pool, request: PageRequest, shown: Shown, ways: Ways) -> None:
        """Open a session, or send a mail whose link creates the user."""
        match shown:
            case ByPassword(email, password):
                await ways.sign_in.with_password(caller, email, password)
            case BySignUp(email, password, captcha, back):
                _check_back(back, SIGN_IN)
                details = SignupDetails(redirect_to=request.redirect_to, page=back)
                await ways.sign_up.sign_up(caller, email, password, {}, captcha, details)
            case ByMailedCode(email, code):
                await ways.by_mailbox.with_code(caller, email, code)
            case ByMailedLink(token):
                await ways.by_mailbox.with_link(caller, token)
            case ByPhone(phone, code):
                await ways.by_phone.with_code(caller, phone, code)
            case BySecondFactor(challenge, code, passkey):
                await ways.second_factor.finish(caller, challenge, SecondFactor(code, passkey))
            case ByPasskey(credential):
                await ways.passkeys.sign_in(caller, credential)
            case ByService(code):
                person = await pool.external_on_page.take_for(code, request.code_challenge)
                await ways.external.sign_in_as(caller, pool, person)
            case ByEnrolment():
                raise ValueError("an enrolment has recovery codes, which the page shows first")
            case other:
                assert_never(other)

    async def _pool(self, caller: Caller, request: PageRequest) -> Pool:
        """Check a request, and return its project. Raises: Unauthenticated, Forbidden, InvalidInput."""
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


def look_of(pool: Pool) -> UserPage:
    page, captcha = pool.auth.sign_in_page, pool.auth.captcha
    app_url = pool.way_back(next(iter(pool.auth.redirect_urls), ""))
    return UserPage(
        pool.app_name,
        page.languages,
        page.accent,
        pool.auth.password.min_length,
        app_url,
        captcha if captcha.provider else None,
    )


def _check_back(back: str, page: str) -> None:
    """Check a URL. Raises: InvalidInput if the URL does not lead to this page."""
    if not back.startswith(f"{page}?") or len(back) > MAX_BACK or not back.isascii() or not back.isprintable():
        raise InvalidInput("The address of the page is too long, or not valid: begin again in the app.")
