"""Send a browser to another service, and receive its answer. `external_accounts.py` has the rest of a sign-in.

The life of one sign-in:

1. The client makes a PKCE pair and sends the browser to the start with its challenge and `redirect_to`. The browser
   gets a cookie with a secret, and goes to the provider with `state`, `nonce` and another PKCE challenge.
2. The provider sends the browser to the callback. State and cookie must belong together, so an answer that a stranger
   has put into a link begins nothing (CSRF). The person that the provider names is stored under a new code.
3. The browser goes to `redirect_to` with the code. The client exchanges the code together with its PKCE verifier, so
   the code is useless to everybody else, also if it stays in a history or a log.

Each answer of a provider is used once: the state is deleted when it is read. Nothing about the account changes before
the exchange, which is one transaction.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlencode, urlsplit

from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.external_logins import ExternalCode, NewExternalLogin
from bunbase.contracts.bunauth.identities import (
    ExternalAnswer,
    ExternalRedirect,
    ExternalStart,
    LoginProvider,
    LoginProviders,
)
from bunbase.contracts.bunauth.problems import ExternalLoginExpired, LinkExpired, ProviderNotFound, ProviderUnavailable
from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.logger import logger
from bunbase.pkg.oidc.person import Provider, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.opaque import fingerprint, new_secret

BROWSER_PREFIX, STATE_PREFIX, CODE_PREFIX = "bbs", "bst", "bxc"
LOGIN_SECONDS: Final = 600  # the time that a person has at the provider
CODE_SECONDS: Final = 60
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
BROWSER: Final = re.compile(BROWSER_PREFIX + r"_[A-Za-z0-9]{43}")
MAX_URL_LENGTH: Final = 500

log = logger("bunauth")


class ExternalLogins:
    """`providers`: the clients and settings by their names."""

    def __init__(
        self,
        stores: Stores,
        providers: Mapping[str, tuple[ProviderSettings, Provider]],
        public_url: str,
        clock: Clock,
    ) -> None:
        self.stores = stores
        self.providers = dict(providers)
        self.public_url = public_url.rstrip("/")
        self.clock = clock

    def list(self) -> LoginProviders:
        found = ((name, settings) for name, (settings, _) in self.providers.items())
        return LoginProviders(tuple(LoginProvider(name, one.title or name, one.kind) for name, one in found))

    async def start(self, name: str, start: ExternalStart) -> ExternalRedirect:
        """Raises: ProviderNotFound, ProviderUnavailable, InvalidInput, LinkExpired."""
        provider, now = self.provider(name), self.clock.now()
        redirect_to = checked_redirect(start.redirect_to, self.public_url)
        if not CHALLENGE.fullmatch(start.code_challenge):
            raise InvalidInput.at("/code_challenge", "Send a PKCE challenge by the method S256 (RFC 7636).")
        browser = start.browser if BROWSER.fullmatch(start.browser) else new_secret(BROWSER_PREFIX)
        state = new_secret(STATE_PREFIX)
        try:
            url = await provider.authorization_url(self._callback(name), _secrets(state, browser))
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
        """Take the answer of a provider, and return where the browser goes: with a code, or with an error.

        Raises: ProviderNotFound; ExternalLoginExpired, if the state is not known or belongs to another browser.
        """
        provider, now = self.provider(name), self.clock.now()
        state, browser = fingerprint(answer.state), fingerprint(answer.browser)
        login = await self.stores.external_logins.take(state, browser, name, now)
        if login is None:
            raise ExternalLoginExpired("Start the sign-in again, and finish it in the same browser within ten minutes.")
        try:
            received = ProviderAnswer(answer.code, answer.iss, answer.error)
            person = await provider.person(received, self._callback(name), _secrets(answer.state, answer.browser))
        except ProviderRefused as refused:
            log.info("a provider refused a sign-in", provider=name, error=refused.code[:100])
            error = "access_denied" if refused.code == "access_denied" else "provider_error"
            return ExternalRedirect(_with(login.redirect_to, error=error))
        except ProviderFailed as failed:
            _unavailable(name, failed)
            return ExternalRedirect(_with(login.redirect_to, error="provider_error"))
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
        return ExternalRedirect(_with(login.redirect_to, code=code))

    def title(self, name: str) -> str:
        """Return the name of a provider for people. A provider may have left the settings."""
        found = self.providers.get(name)
        return (found[0].title if found else "") or name

    def provider(self, name: str) -> Provider:
        """Raises: ProviderNotFound."""
        if name not in self.providers:
            raise ProviderNotFound
        return self.providers[name][1]

    async def _linking_session(self, name: str, ticket: str) -> str:
        session = await self.stores.external_logins.take_ticket(fingerprint(ticket), name, self.clock.now())
        if session is None:
            raise LinkExpired("Ask for a new ticket: POST /api/auth/identities/link/{provider}.")
        return session

    def _callback(self, name: str) -> str:
        return f"{self.public_url}/api/auth/oauth/{name}/callback"


def checked_redirect(url: str, public_url: str) -> str:
    """Return an address of this installation, or of a program on the same machine (RFC 8252 §7.3).

    Raises: InvalidInput for every other address.
    """
    try:
        parts, own = urlsplit(url), urlsplit(public_url)
        here = (parts.scheme, parts.hostname, parts.port) == (own.scheme, own.hostname, own.port)
        plain = url.isascii() and url.isprintable() and not set(url) & set(' \\\\"<>@#') and len(url) <= MAX_URL_LENGTH
        usable = plain and bool(parts.hostname) and (here or _is_program(parts.scheme, parts.hostname, parts.port))
    except ValueError:
        usable = False
    if not usable:
        raise InvalidInput.at(
            "/redirect_to", f"Send an address below {public_url}, or http://127.0.0.1:<port>/… of a program."
        )
    return url


def _is_program(scheme: str, host: str | None, port: int | None) -> bool:
    try:
        return scheme == "http" and port is not None and host is not None and ip_address(host).is_loopback
    except ValueError:
        return False


def _secrets(state: str, browser: str) -> Secrets:
    """Return the values of one sign-in. Only the browser's secret and the state lead to nonce and verifier."""
    nonce, verifier = (_derived(browser, f"{purpose} {state}") for purpose in ("nonce", "verifier"))
    return Secrets(state, nonce, verifier)


def _derived(secret: str, purpose: str) -> str:
    digest = hmac.digest(secret.encode(), f"bunbase external login v1 {purpose}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _with(url: str, **parameters: str) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}"


def _unavailable(name: str, failed: ProviderFailed) -> ProviderUnavailable:
    """Log the reason, which is for the operator, and return a Problem without it."""
    log.warning("a sign-in provider failed", provider=name, reason=str(failed)[:500])
    return ProviderUnavailable("Sign in in another way, or try again later. The log of this server has the reason.")
