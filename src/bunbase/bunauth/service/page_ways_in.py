"""Sign in on a page with another service or a passkey. `contracts/bunauth/page_sign_in.py` describes one sign-in.

The page has no script that could store a PKCE verifier. So the verifier is derived from the cookie of the browser and
the sealed name of the page. Therefore a code works only in the browser that began the sign-in, and only for the same
page and action. If an attacker puts a code into a link, the code does not work in the victim's browser.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import partial
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.journal import counted
from bunbase.bunauth.service.newcomers import PREFIX as NEWCOMER_PREFIX
from bunbase.bunauth.service.newcomers import NewcomerService
from bunbase.bunauth.service.page_passes import PagePasses, page_hash
from bunbase.bunauth.service.second_factor import SecondFactorSignIn
from bunbase.bunauth.service.session_tokens import signed_in_by
from bunbase.bunauth.store.accounts import Credentials
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.identities import ExternalRedirect, ExternalStart
from bunbase.contracts.bunauth.page_sign_in import MAX_KEY, RETURN, ActPage, PageName, PagePass, PageReturn, PageWays
from bunbase.contracts.bunauth.problems import ExternalLoginExpired, SecondFactorRequired, SignupsClosed
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.account_passkeys import AccountPasskeys
from bunbase.pkg.identity.external_login import BROWSER, BROWSER_PREFIX
from bunbase.pkg.identity.redirects import with_parameters
from bunbase.pkg.identity.sign_in_challenges import PREFIX as CHALLENGE_PREFIX
from bunbase.pkg.oidc.person import challenge_of
from bunbase.pkg.opaque import new_secret, open_with, seal_with
from bunbase.pkg.totp import is_totp_code

# A mark has this many characters. Marks distinguish the pages of one browser, and protect nothing.
MARK_LENGTH: Final = 16
MAX_SEALED: Final = 400
BY_PASSKEY: Final = ("pop", "user", "mfa")  # These are the names of the methods in an ID token (RFC 8176).


class PageWaysIn:
    def __init__(
        self,
        passes: PagePasses,
        newcomers: NewcomerService,
        second_factor: SecondFactorSignIn,
        passkeys: AccountPasskeys[Credentials],
        public_url: str,
    ) -> None:
        self.passes = passes
        self.newcomers = newcomers
        self.external = newcomers.external
        self.second_factor = second_factor
        self.passkeys = passkeys
        self.tokens = passes.tokens
        self.public_url = public_url.rstrip("/")

    async def start(self, provider: str, to: ActPage, browser: str) -> ExternalRedirect:
        """Start a sign-in with another service. Raises: ProviderNotFound, ProviderUnavailable, InvalidInput."""
        if not 0 < len(to.key) <= MAX_KEY:
            raise InvalidInput("Open the page once more, and choose the service there.")
        kept = browser if BROWSER.fullmatch(browser) else new_secret(BROWSER_PREFIX)
        sealed = base64.urlsafe_b64encode(seal_with(kept, msgspec.json.encode(to))).decode().rstrip("=")
        back = with_parameters(self.public_url + RETURN, page=sealed)
        start = ExternalStart(back, challenge_of(_verifier(kept, sealed)), "", kept)
        return await self.external.logins.start(provider, start)

    async def finish(self, caller: Caller, back: PageReturn) -> PagePass:
        """Process the answer of another service.

        Raises: ExternalLoginExpired, and the errors of `ExternalAccounts.exchange`.
        """
        to = _opened(back)
        if back.error:
            return PagePass(to, error=back.error)
        person = await self.external.logins.take(back.code, _verifier(back.browser, back.sealed))
        try:
            account, by = await self.external.identified(caller, person)
        except SignupsClosed:
            if to.page is not PageName.INVITE:
                raise
            return PagePass(to, await self.newcomers.give_pass(person, to))
        try:
            await self.tokens.check_second_factor(caller, account, by)
        except SecondFactorRequired as needed:  # This is not an error, but leads to the next step.
            return PagePass(to, f"{needed.extra['challenge']}.{_mark(to)}")
        return PagePass(to, await self.passes.give(account, to, by, ()))

    async def by_code(self, caller: Caller, to: ActPage, challenge: str, code: str) -> PagePass:
        """Complete a sign-in with the second factor. Raises: ChallengeExpired, WrongCode, RateLimited."""
        totp = is_totp_code(code)
        method = ActivityMethod.TOTP if totp else ActivityMethod.RECOVERY_CODE
        refused = counted(self.tokens.activity, caller, Activity.SIGN_IN, method)
        open = partial(self._give, to, signed_in_by(method), ("otp", "mfa") if totp else ("mfa",))
        secret = await self.second_factor.second_step.finish(challenge, SecondFactor(code), open, refused)
        return PagePass(to, secret)

    async def by_passkey(self, caller: Caller, to: ActPage, challenge: str, credential: dict[str, Any]) -> PagePass:
        """Sign in with a passkey. Raises: ChallengeExpired, WrongPasskey, PasskeysUnavailable, RateLimited."""
        open = partial(self._give, to, signed_in_by(ActivityMethod.PASSKEY), BY_PASSKEY)
        refused = counted(self.tokens.activity, caller, Activity.SIGN_IN, ActivityMethod.PASSKEY)
        if challenge:
            answer = SecondFactor(passkey=credential)
            return PagePass(to, await self.second_factor.second_step.finish(challenge, answer, open, refused))
        return PagePass(to, await self.passkeys.sign_in(credential, open, refused))

    async def ways(self, to: ActPage, cookie: str) -> PageWays:
        providers = self.external.logins.list().items
        secret, _, mark = cookie.partition(".")
        if secret.startswith(f"{CHALLENGE_PREFIX}_"):
            waits = mark == _mark(to) and await self.second_factor.second_step.is_open(secret)
            return PageWays(providers, challenge=secret if waits else "")
        if secret.startswith(f"{NEWCOMER_PREFIX}_"):
            person = await self.newcomers.person(to, secret)
            return PageWays(providers, newcomer=person.email or "" if person else "")
        return PageWays(providers, await self.passes.email_of(to, secret) if secret else "")

    async def _give(self, to: ActPage, by: Happened, amr: tuple[str, ...], account: Credentials) -> str:
        return await self.passes.give(account, to, by, amr)


def _opened(back: PageReturn) -> ActPage:
    """Return the page from which this browser has started. Raises: ExternalLoginExpired."""
    try:
        sealed = base64.urlsafe_b64decode(back.sealed[:MAX_SEALED] + "==")
        return msgspec.json.decode(open_with(back.browser, sealed), type=ActPage)
    except (ValueError, InvalidTag):
        raise ExternalLoginExpired("Begin on the page again, and finish in the same browser.") from None


def _verifier(browser: str, sealed: str) -> str:
    digest = hmac.digest(browser.encode(), f"bunbase page sign-in v1 {sealed}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _mark(to: ActPage) -> str:
    return page_hash(to).hex()[:MARK_LENGTH]
