"""The sign-in page of the OpenID Provider: from an authorization request to the code.

The life of one request:

1. `authorize` checks client and redirect URI. Later errors go to the client (RFC 6749 §4.1.2.1). If the person is
   signed in on the page and no question is needed, the browser returns to the client with a code at once.
2. Otherwise the request is stored under a secret, and bound to the cookie of the browser. The forms contain only this
   secret. So nobody can change the client, the scopes or the redirect URI by changing a form, and a form on another
   site cannot know the secret (CSRF).
3. A sign-in opens a session without tokens. The page's cookie gets a new secret (session fixation).
4. `allow` deletes the request, and stores the consent and the code in one transaction, so that a second click creates
   no second code.

The cookie is Lax, because people come from other sites. The cookie is valid only on this page, and a browser does not
send it with a POST from another site.
"""

from __future__ import annotations

import hmac
import re
from datetime import timedelta
from enum import Enum
from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.openid.clients import OAuthClientService
from bunbase.bunauth.service.page_passes import PagePasses
from bunbase.bunauth.service.second_factor import SecondFactorSignIn
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.service.sign_in import SignIn
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.oauth_clients import StoredClient
from bunbase.bunauth.store.oauth_requests import OAuthCode, PagePerson, StoredRequest
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import Activity
from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.openid import (
    SCOPES,
    AuthorizationExpired,
    ClientKind,
    ClientMistaken,
    PageKind,
    PageSession,
    PageStep,
)
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageName
from bunbase.contracts.bunauth.problems import ChallengeExpired, InvalidCredentials, SecondFactorRequired, WrongCode
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import RateLimited
from bunbase.pkg.ids import new_id
from bunbase.pkg.ip_addresses import network_around
from bunbase.pkg.jwt import unverified_claims
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.pkg.openid_provider.redirect_uris import form_target, is_local, is_registered, with_parameters
from bunbase.pkg.openid_provider.requests import LONGEST, AuthorizationRequest, RefusedRequest, read_request
from bunbase.pkg.totp import is_totp_code

BROWSER_PREFIX, REQUEST_PREFIX, CODE_PREFIX, GRANT_PREFIX = "ops", "orq", "oco", "oau"
BROWSER: Final = re.compile(BROWSER_PREFIX + r"_[A-Za-z0-9]{43}")
REQUEST_SECONDS: Final = 600  # A person on the page has this much time.
CODE_SECONDS: Final = 60
PAGE_SESSION_SECONDS: Final = 12 * 3600
ALWAYS_ASKED: Final = frozenset({"consent", "select_account"})


class Missing(Enum):
    """The action of the person that a request still needs. The value is the error for `prompt=none`."""

    SIGN_IN = "login_required"
    CONSENT = "consent_required"


class SignInPages:
    """The page. `sign_in`, `second_factor`: open the sessions of the page. `tokens` ends these sessions."""

    def __init__(
        self,
        stores: Stores,
        sign_in: SignIn,
        second_factor: SecondFactorSignIn,
        clients: OAuthClientService,
        tokens: SessionTokens,
        passes: PagePasses,
    ) -> None:
        self.stores = stores
        self.sign_in = sign_in
        self.second_factor = second_factor
        self.clients = clients
        self.tokens = tokens
        self.passes = passes
        self.clock = tokens.clock
        self.issuer = tokens.access.issuer

    async def authorize(self, caller: Caller, sent: dict[str, str], browser: str) -> PageStep:
        """Check an authorization request, and return the page or the redirect. Raises: ClientMistaken."""
        client = await self._client(sent.get("client_id", ""))
        redirect_uri = sent.get("redirect_uri", "")
        if not is_registered(redirect_uri, client.redirect_uris):
            raise ClientMistaken("Its redirect_uri is not registered for this client. Tell the people who run it.")
        try:
            asked = read_request(sent, SCOPES)
        except RefusedRequest as refused:
            return self._refused(redirect_uri, sent.get("state", ""), refused.error, refused.description)
        kept = browser if BROWSER.fullmatch(browser) else new_secret(BROWSER_PREFIX)
        secret, now = new_secret(REQUEST_PREFIX), self.clock.now()
        request = StoredRequest(
            fingerprint(secret),
            fingerprint(kept),
            client.id,
            redirect_uri,
            asked,
            now,
            now + timedelta(seconds=REQUEST_SECONDS),
        )
        person = await self._person(browser)
        missing = await self._missing(request, client, person)
        if missing is None and person is not None:
            return await self._finish(caller, request, person)
        if asked.silent:
            return self._refused(redirect_uri, asked.state, (missing or Missing.SIGN_IN).value)
        await self.stores.oauth_requests.add(request, network_around(caller.ip))
        return PageStep(PageKind.CONTINUE, request=secret, browser=kept if kept != browser else "")

    async def page(self, caller: Caller, secret: str, browser: str) -> PageStep:
        """Return the next step of a request. Raises: AuthorizationExpired."""
        request, client = await self._stored(secret, browser)
        person = await self._person(browser)
        missing = await self._missing(request, client, person)
        if person is None or missing is Missing.SIGN_IN:
            hint = request.asked.login_hint or (await self._email(person) if person else "")
            return _step(PageKind.SIGN_IN, secret, request, client, email=hint)
        if missing is Missing.CONSENT:
            return _step(PageKind.CONSENT, secret, request, client, email=await self._email(person))
        async with self.stores.db.transaction():
            await self._take(request)
            return await self._finish(caller, request, person)

    async def sign_in_with_password(
        self, caller: Caller, secret: str, browser: str, email: str, password: str
    ) -> PageStep:
        """Sign in with a password. Raises: AuthorizationExpired, AccountSuspended."""
        # This check comes before the password is hashed, which is expensive.
        request, client = await self._stored(secret, browser)
        try:
            signed_in = await self.sign_in.with_password(caller, email, password)
        except SecondFactorRequired as needed:  # This is not an error, but leads to the next step.
            challenge = str(needed.extra["challenge"])
            return _step(PageKind.SECOND_FACTOR, secret, request, client, challenge=challenge)
        except InvalidCredentials as wrong:
            why = (wrong.detail, wrong.status)
            return _step(PageKind.SIGN_IN, secret, request, client, email=email, wrong=why)
        return await self._signed_in(secret, browser, signed_in, ("pwd",))

    async def sign_in_with_code(self, caller: Caller, secret: str, browser: str, challenge: str, code: str) -> PageStep:
        """Sign in with the second factor. Raises: AuthorizationExpired, AccountSuspended."""
        request, client = await self._stored(secret, browser)  # This check comes before the code is used up.
        try:
            signed_in = await self.second_factor.finish(caller, challenge, SecondFactor(code))
        except (WrongCode, RateLimited) as wrong:
            why = (wrong.detail, wrong.status)
            return _step(PageKind.SECOND_FACTOR, secret, request, client, challenge=challenge, wrong=why)
        except ChallengeExpired as over:
            return _step(PageKind.SIGN_IN, secret, request, client, wrong=(over.detail, over.status))
        methods = ("pwd", "otp", "mfa") if is_totp_code(code) else ("pwd", "mfa")
        return await self._signed_in(secret, browser, signed_in, methods)

    async def sign_in_with_pass(self, caller: Caller, secret: str, browser: str, cookie: str) -> PageStep:
        """Sign in a person who has come back from another service. Raises: AuthorizationExpired, AccountSuspended."""
        request, client = await self._stored(secret, browser)  # This check comes before the pass is used up.
        try:
            to = ActPage(PageName.OAUTH, secret)
            signed_in, amr = await self.passes.use(caller, to, cookie, self.tokens)
        except (ChallengeExpired, InvalidCredentials) as wrong:
            return _step(PageKind.SIGN_IN, secret, request, client, wrong=(wrong.detail, wrong.status))
        return await self._signed_in(secret, browser, signed_in, amr)

    async def allow(self, caller: Caller, secret: str, client_id: str) -> PageStep:
        """Allow what the client requests, and send the code to the client.

        Raises: AuthorizationExpired, Unauthenticated.
        """
        session, now = caller.signed_in().session, self.clock.now()
        person = await self.stores.oauth_requests.person_of_session(session, now)
        request = await self.stores.oauth_requests.find(fingerprint(secret), now)
        if person is None or request is None or not hmac.compare_digest(request.browser_hash, person.hash):
            raise _expired()
        if request.client_id != client_id:
            raise _expired()
        if _must_sign_in(request, person):
            return PageStep(PageKind.CONTINUE, request=secret)
        client, allowed = await self._client(client_id), Activity.AUTHORIZATION_CREATE
        async with self.stores.db.transaction():
            await self._take(request)
            await self.tokens.activity.add(caller, person.user_id, Happened(allowed, target=client.name))
            return await self._finish(caller, request, person)

    async def deny(self, secret: str, browser: str) -> PageStep:
        """Deny the request, and send the error to the client. Raises: AuthorizationExpired."""
        request, _ = await self._stored(secret, browser)
        await self._take(request)
        return self._refused(request.redirect_uri, request.asked.state, "access_denied")

    async def sign_out(self, secret: str, browser: str) -> PageStep:
        """End the session of the page. Raises: AuthorizationExpired."""
        await self._stored(secret, browser)
        await self._end(await self._person(browser))
        return PageStep(PageKind.CONTINUE, request=secret)

    async def session(self, browser: str) -> PageSession | None:
        """Return the session of a cookie, or None if nobody is signed in."""
        person = await self._person(browser)
        if person is None:
            return None
        return PageSession(await self.stores.accounts.existing(person.user_id), person.session)

    async def _client(self, id: str) -> StoredClient:
        client = await self.clients.find(id)
        if client is None:
            raise ClientMistaken("Its client_id is not known here. Tell the people who run it.")
        return client

    async def _person(self, browser: str) -> PagePerson | None:
        if not BROWSER.fullmatch(browser):
            return None
        return await self.stores.oauth_requests.person(fingerprint(browser), self.clock.now())

    async def _email(self, person: PagePerson) -> str:
        return (await self.stores.accounts.existing(person.user_id)).email

    async def _stored(self, secret: str, browser: str) -> tuple[StoredRequest, StoredClient]:
        """Return a request of this browser, and its client. Raises: AuthorizationExpired."""
        request = await self.stores.oauth_requests.find(fingerprint(secret), self.clock.now())
        if request is None or not hmac.compare_digest(request.browser_hash, fingerprint(browser)):
            raise _expired()
        client = await self.clients.find(request.client_id)
        if client is None:
            raise _expired()
        return request, client

    async def _take(self, request: StoredRequest) -> None:
        """Delete a request, so that only one of two simultaneous answers counts. Raises: AuthorizationExpired."""
        if not await self.stores.oauth_requests.delete(request.hash):
            raise _expired()

    async def _missing(self, request: StoredRequest, client: StoredClient, person: PagePerson | None) -> Missing | None:
        if person is None or _must_sign_in(request, person):
            return Missing.SIGN_IN
        if ALWAYS_ASKED & set(request.asked.prompts):
            return Missing.CONSENT
        if client.first_party:
            return Missing.CONSENT if _could_be_another(request, client) else None
        allowed = await self.stores.oauth_sessions.granted(person.user_id, client.id)
        return None if allowed.issuperset(request.asked.scopes) else Missing.CONSENT

    async def _signed_in(self, secret: str, browser: str, signed_in: SignedIn, amr: tuple[str, ...]) -> PageStep:
        """Store the new session under the page's cookie. Nobody receives the tokens of this session."""
        session = str(unverified_claims(signed_in.access_token)["sid"])  # This process has just signed it.
        cookie = new_secret(BROWSER_PREFIX)
        async with self.stores.db.transaction():
            await self._end(await self._person(browser))
            await self.stores.oauth_requests.add_person(fingerprint(cookie), session, amr)
            await self.stores.oauth_requests.move(fingerprint(browser), fingerprint(cookie))
        return PageStep(PageKind.CONTINUE, request=secret, browser=cookie)

    async def _end(self, person: PagePerson | None) -> None:
        if person is not None:
            now = self.clock.now()
            until = await self.tokens.revoked_until(now)
            await self.stores.sessions.end(person.user_id, person.session, now, until)

    async def _finish(self, caller: Caller, request: StoredRequest, person: PagePerson) -> PageStep:
        """Store the consent and a code, and send the browser to the client with the code."""
        code, asked, now = new_secret(CODE_PREFIX), request.asked, self.clock.now()
        new = OAuthCode(
            request.client_id,
            person.user_id,
            person.version,
            request.redirect_uri,
            asked.code_challenge,
            asked.scopes,
            asked.nonce,
            person.signed_in_at,
            person.amr,
            caller.ip,
            caller.agent,
            now + timedelta(seconds=CODE_SECONDS),
        )
        async with self.stores.db.transaction():
            if not await self.stores.oauth_clients.keep(request.client_id):
                raise _expired()
            grant = (person.user_id, request.client_id, asked.scopes, now)
            await self.stores.oauth_sessions.grant(new_id(GRANT_PREFIX), *grant)
            await self.stores.oauth_codes.add(fingerprint(code), new)
        return self._to_client(request.redirect_uri, code=code, state=asked.state)

    def _refused(self, redirect_uri: str, state: str, error: str, description: str = "") -> PageStep:
        state = state if len(state) <= LONGEST["state"] else ""
        return self._to_client(redirect_uri, error=error, error_description=description, state=state)

    def _to_client(self, redirect_uri: str, **parameters: str) -> PageStep:
        """Redirect the browser to the client. `iss` tells the client which server answers (RFC 9207)."""
        location = with_parameters(redirect_uri, **parameters, iss=self.issuer)
        return PageStep(PageKind.REDIRECT, location=location)


def _must_sign_in(request: StoredRequest, person: PagePerson) -> bool:
    """True if the sign-in of the person is not recent enough for the request."""
    asked: AuthorizationRequest = request.asked
    if person.signed_in_at >= request.created_at:
        return False
    too_old = asked.max_age is not None and request.created_at - person.signed_in_at > timedelta(seconds=asked.max_age)
    return "login" in asked.prompts or too_old or asked.hinted_subject not in ("", person.user_id)


def _could_be_another(request: StoredRequest, client: StoredClient) -> bool:
    """True if any program on the person's machine could receive the code instead of the client (RFC 8252 §8.6)."""
    return client.kind is ClientKind.PUBLIC and is_local(request.redirect_uri)


def _step(
    kind: PageKind,
    secret: str,
    request: StoredRequest,
    client: StoredClient,
    *,
    email: str = "",
    challenge: str = "",
    wrong: tuple[str, int] = ("", 200),
) -> PageStep:
    """Return a page. `wrong`: the error that the form shows, and the status of the answer."""
    return PageStep(
        kind,
        request=secret,
        client=client.name,
        client_id=client.id,
        first_party=client.first_party,
        local=is_local(request.redirect_uri),
        form_target=form_target(request.redirect_uri),
        scopes=request.asked.scopes,
        email=email,
        challenge=challenge,
        error=wrong[0],
        status=wrong[1],
    )


def _expired() -> AuthorizationExpired:
    return AuthorizationExpired("Go back to the application, and sign in there again.")
