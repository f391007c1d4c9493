"""Send a browser to another service, and receive its answer. `external_people.py` has the rest of a sign-in.

The life of one sign-in:

1. The client makes a PKCE pair and sends the browser to the start route with its challenge and `redirect_to`. The
   browser gets a cookie with a secret, and goes to the provider with `state`, `nonce` and another PKCE challenge.
2. The provider sends the browser to the callback route. State and cookie must belong together, so nobody can
   send a link that contains the answer of another sign-in (CSRF). The person that the provider names is stored under a
   new code.
3. The browser goes to `redirect_to` with the code. The client exchanges the code together with its PKCE verifier. So
   the code is useless to other people, even if it stays in a history or a log.

Each answer of a provider is used once: the state is deleted when it is read. Nothing about the account changes before
the exchange, which is one transaction.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.external import (
    ExternalAnswer,
    ExternalRedirect,
    ExternalStart,
    LinkTicket,
    LoginProvider,
    LoginProviders,
)
from bunbase.pkg.identity.problems import ExternalLoginExpired, LinkExpired, ProviderNotFound, ProviderUnavailable
from bunbase.pkg.identity.redirects import with_parameters
from bunbase.pkg.identity.store import MAX_OPEN, IdentityStores
from bunbase.pkg.identity.store.external_logins import ExternalCode, NewExternalLogin
from bunbase.pkg.logger import logger
from bunbase.pkg.oidc.person import Provider, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets, challenge_of
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.opaque import fingerprint, new_secret

BROWSER_PREFIX, STATE_PREFIX, CODE_PREFIX, TICKET_PREFIX = "bbs", "bst", "bxc", "blt"
LOGIN_SECONDS: Final = 600  # A person at the provider has this much time.
CODE_SECONDS: Final = 60
TICKET_SECONDS: Final = 300
MAX_VERIFIER_LENGTH: Final = 128
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
BROWSER: Final = re.compile(BROWSER_PREFIX + r"_[A-Za-z0-9]{43}")

EXPIRED: Final = (
    "Start the sign-in again, and finish it in the same browser within ten minutes. Begin at the host to which the "
    "other service sends the browser: localhost and 127.0.0.1 are two hosts, and have separate cookies."
)

log = logger("identity")


class ExternalLogins:
    """The sign-ins of one pool at other services. `providers`: the clients and settings by their names.

    `callback(provider)`: the URL to which a provider sends the browser. `checked_redirect(url)` returns `url`, or
    raises InvalidInput. `link_path`: the route that makes tickets, for messages.
    """

    def __init__(
        self,
        stores: IdentityStores,
        providers: Mapping[str, tuple[ProviderSettings, Provider]],
        callback: Callable[[str], str],
        checked_redirect: Callable[[str], str],
        link_path: str,
        clock: Clock,
    ) -> None:
        self.stores = stores
        self.providers = dict(providers)
        self.callback = callback
        self.checked_redirect = checked_redirect
        self.link_path = link_path
        self.clock = clock

    def list(self) -> LoginProviders:
        found = ((name, settings.kind) for name, (settings, _) in self.providers.items())
        return LoginProviders(tuple(LoginProvider(name, self.title(name), kind) for name, kind in found))

    def title(self, name: str) -> str:
        """Return the name of a provider for people. The provider may have been removed from the settings."""
        found = self.providers.get(name)
        return (found[0].title if found else "") or name

    def provider(self, name: str) -> Provider:
        """Return a provider. Raises: ProviderNotFound."""
        if name not in self.providers:
            known = ", ".join(sorted(self.providers))
            raise ProviderNotFound(f"The sign-in providers are: {known}." if known else "There is no sign-in provider.")
        return self.providers[name][1]

    async def start(self, name: str, start: ExternalStart) -> ExternalRedirect:
        """Begin a sign-in.

        Raises: ProviderNotFound, ProviderUnavailable, InvalidInput, LinkExpired.
        """
        provider, now = self.provider(name), self.clock.now()
        redirect_to = self.checked_redirect(start.redirect_to)
        if not CHALLENGE.fullmatch(start.code_challenge):
            raise InvalidInput.at("/code_challenge", "Send a PKCE challenge by the method S256 (RFC 7636).")
        browser = start.browser if BROWSER.fullmatch(start.browser) else new_secret(BROWSER_PREFIX)
        state = new_secret(STATE_PREFIX)
        try:
            url = await provider.authorization_url(self.callback(name), _secrets(state, browser))
        except ProviderFailed as failed:
            raise _unavailable(name, failed) from None
        session = await self._linking_session(name, start.link) if start.link else ""
        await self.stores.external_logins.add(
            NewExternalLogin(
                fingerprint(state),
                fingerprint(browser),
                name,
                redirect_to,
                start.code_challenge,
                session,
                now + timedelta(seconds=LOGIN_SECONDS),
            )
        )
        return ExternalRedirect(url, browser)

    async def finish(self, name: str, answer: ExternalAnswer) -> ExternalRedirect:
        """Handle the answer of a provider, and return the URL to which the browser goes, with a code or an error.

        If the state belongs to another browser, this browser gets an error and no code, and the sign-in of the other
        browser goes on. Otherwise an attacker could sign a victim in to the attacker's own account.
        Raises: ProviderNotFound; ExternalLoginExpired if the state is unknown, because then the app is unknown too.
        """
        provider, now = self.provider(name), self.clock.now()
        state, browser = fingerprint(answer.state), fingerprint(answer.browser)
        login = await self.stores.external_logins.take(state, browser, name, now)
        if login is None:
            redirect_to = await self.stores.external_logins.redirect_of(state, name, now)
            if redirect_to is None:
                raise ExternalLoginExpired(EXPIRED)
            host, cookie = urlsplit(self.callback(name)).netloc, "another" if answer.browser else "none"
            log.warning("a sign-in ended in another browser, or began at another host", here=host, cookie=cookie)
            return ExternalRedirect(with_parameters(redirect_to, error=ExternalLoginExpired.code))
        try:
            received = ProviderAnswer(answer.code, answer.iss, answer.error)
            person = await provider.person(received, self.callback(name), _secrets(answer.state, answer.browser))
        except ProviderRefused as refused:
            log.info("a provider refused a sign-in", provider=name, error=refused.code[:100])
            error = "access_denied" if refused.code == "access_denied" else "provider_error"
            return ExternalRedirect(with_parameters(login.redirect_to, error=error))
        except ProviderFailed as failed:
            _unavailable(name, failed)
            return ExternalRedirect(with_parameters(login.redirect_to, error="provider_error"))
        code = new_secret(CODE_PREFIX)
        email = email_or_none(person.email) if person.email else None
        found = ExternalCode(
            name,
            login.code_challenge,
            login.link_session,
            person.subject,
            email,
            person.email_verified and email is not None,
            person.name,
        )
        await self.stores.external_logins.add_code(fingerprint(code), found, now + timedelta(seconds=CODE_SECONDS))
        return ExternalRedirect(with_parameters(login.redirect_to, code=code))

    async def take(self, code: str, verifier: str) -> ExternalCode:
        """Return the person of a code. Raises: ExternalLoginExpired.

        The code is deleted even if the rest of the sign-in fails, so that nobody can try a second verifier. So do not
        call this inside a transaction, because a rollback would restore the code.
        """
        return await self.take_for(code, challenge_of(verifier[:MAX_VERIFIER_LENGTH]))

    async def take_for(self, code: str, challenge: str) -> ExternalCode:
        """Return the person of a code, as `take` does. `challenge`: the PKCE challenge of the client's sign-in.

        This method does not check a verifier. So its caller may return a result only to a client that has the verifier
        of this challenge. Raises: ExternalLoginExpired.
        """
        found = await self.stores.external_logins.take_code(fingerprint(code), self.clock.now())
        if found is None or not hmac.compare_digest(challenge, found.code_challenge):
            raise ExternalLoginExpired("This code is used up, expired, or belongs to another client: sign in again.")
        return found

    async def ticket(self, name: str, session: str) -> LinkTicket:
        """Return a ticket that links an identity to the account of a session. Raises: ProviderNotFound."""
        self.provider(name)
        ticket, until = new_secret(TICKET_PREFIX), self.clock.now() + timedelta(seconds=TICKET_SECONDS)
        await self.stores.external_logins.add_ticket(fingerprint(ticket), name, session, until, MAX_OPEN)
        return LinkTicket(ticket, TICKET_SECONDS)

    async def _linking_session(self, name: str, ticket: str) -> str:
        session = await self.stores.external_logins.take_ticket(fingerprint(ticket), name, self.clock.now())
        if session is None:
            raise LinkExpired(f"Ask for a new ticket: {self.link_path}.")
        return session


def _secrets(state: str, browser: str) -> Secrets:
    """Return the values of one sign-in. Nonce and verifier are derived from the browser's secret and the state."""
    nonce, verifier = (_derived(browser, f"{purpose} {state}") for purpose in ("nonce", "verifier"))
    return Secrets(state, nonce, verifier)


def _derived(secret: str, purpose: str) -> str:
    digest = hmac.digest(secret.encode(), f"bunbase external login v1 {purpose}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _unavailable(name: str, failed: ProviderFailed) -> ProviderUnavailable:
    """Log the reason, which is for the operator, and return a Problem without it."""
    log.warning("a sign-in provider failed", provider=name, reason=str(failed)[:500])
    return ProviderUnavailable("Sign in in another way, or try again later. The log of this server has the reason.")
