"""The service of BunAuth: accounts, sign-in, sessions and personal access tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final, assert_never

from bunbase.bunauth import personal_tokens
from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.service_clients import ServiceClients
from bunbase.bunauth.settings import BunAuthSettings, Signups
from bunbase.bunauth.setup import check_setup
from bunbase.bunauth.store import BunAuthStore, Credentials
from bunbase.contracts.bunauth import (
    Account,
    Discovery,
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    Jwks,
    PersonalToken,
    PersonalTokens,
    ServiceExchangeOff,
    ServiceToken,
    SignedIn,
    SignupsClosed,
    SignupState,
    TokenExpired,
    TokenNotFound,
    TokenReused,
    Verified,
)
from bunbase.contracts.caller import Caller, Developer
from bunbase.contracts.revocations import Revocation
from bunbase.pkg import metrics
from bunbase.pkg.addresses import email_or_none, normal_email
from bunbase.pkg.cursors import MAX_LIMIT
from bunbase.pkg.errors import Forbidden, InvalidInput, Unauthenticated
from bunbase.pkg.ids import new_id
from bunbase.pkg.jwt import BadToken
from bunbase.pkg.mail.letters import DevMail
from bunbase.pkg.modules import Site
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.pkg.passwords import Passwords
from bunbase.pkg.rpc.tokens import LIFETIME_SECONDS
from bunbase.pkg.sessions import (
    Pair,
    Standing,
    knows_address,
    new_pair,
    new_session,
    revoked_until,
    standing,
)

ROOM: Final = "bunauth"
POOL: Final = "developers"  # the label of developers in the metric of sign-ins
REFRESH_PREFIX: Final = "brt"
MAX_NAME_LENGTH: Final = 100
TOUCH_EVERY: Final = timedelta(minutes=1)  # a token in constant use must not cause a write with every request
REMEMBER_SECONDS: Final = 3600  # longer than the lifetime of any cache of personal access tokens


class BunAuthService:
    def __init__(
        self, store: BunAuthStore, passwords: Passwords, access: AccessTokens, settings: BunAuthSettings, site: Site
    ) -> None:
        self.store = store
        self.passwords = passwords
        self.access = access
        self.settings = settings
        self.site = site
        self.clock = site.clock
        self.signups = settings.signups.on(site.dev)
        self.service_clients = ServiceClients(settings)

    async def register(self, caller: Caller, email: str, password: str, name: str, setup_token: str = "") -> SignedIn:
        email, name = normal_email(email), _name(name)
        first = not await self.store.has_accounts()
        if first:  # check this before hashing the password, which is expensive
            await check_setup(self.store, caller, setup_token, self.site.dev)
        else:
            self._check_signups()
        hash = await self.passwords.hash(POOL, password)
        new = Credentials(new_id("usr"), email, name, "admin" if first else "user", self.clock.now(), hash)
        if first and await self.store.add_first_account(new):
            return await self._open_session(caller, new.account())
        self._check_signups()  # another request has made the first account meanwhile
        new = Credentials(new.id, email, name, "user", new.created_at, hash)
        if not await self.store.add_account(new):
            raise EmailTaken("Sign in instead, or use another address.")
        return await self._open_session(caller, new.account())

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        normal = email_or_none(email)
        found = None if normal is None else await self.store.credentials(normal)
        matches = await self.passwords.matches(POOL, password, found.password_hash if found else None)
        with metrics.counted(metrics.logins, POOL):
            if found is None or not matches:
                raise InvalidCredentials
        return await self._open_session(caller, found.account())

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        hash, now = fingerprint(refresh_token), self.clock.now()
        while True:
            token = await self.store.refresh_token(hash)
            if token is None:
                raise InvalidToken
            match standing(token, now, self.settings):
                case Standing.FRESH:
                    account = await self._account(token.user_id)
                    pair = self._new_pair(account, token.session, token.session_expires_at, now)
                    if await self.store.rotate(hash, now, pair, refresh_token):
                        return self._signed_in(account, pair)
                    # else a parallel request has used the token: look again, and return the pair of that request
                case Standing.RETRY:
                    account = await self._account(token.user_id)
                    return self._signed_in(account, token.traded_for(refresh_token))
                case Standing.REUSED:
                    await self._end_session(token.session)
                    raise TokenReused("Sign in again; if this was not you, change your password.")
                case Standing.EXPIRED:
                    raise TokenExpired("Sign in again.")
                case Standing.ENDED:
                    raise InvalidToken
                case other:
                    assert_never(other)

    async def logout(self, caller: Caller) -> None:
        await self._end_session(_with_session(caller, "it belongs to no session; delete the token instead").session)

    async def me(self, caller: Caller) -> Account:
        return await self._account(caller.signed_in().id)

    async def verify(self, token: str) -> Verified:
        if token.startswith(f"{personal_tokens.PREFIX}_"):
            return await self._verify_personal(token)
        try:
            claims = self.access.claims(token)
        except BadToken:
            return Verified(valid=False)
        if not await self.store.session_alive(claims["sid"], self.clock.now()):
            return Verified(valid=False)
        return Verified(valid=True, claims=claims)

    async def jwks(self) -> Jwks:
        return self.access.jwks

    async def discovery(self) -> Discovery:
        return Discovery(self.access.issuer, f"{self.site.public_url}/.well-known/jwks.json")

    async def create_token(
        self, caller: Caller, name: str, scopes: tuple[str, ...], expires_in_seconds: int | None
    ) -> PersonalToken:
        developer = _with_session(caller, "it cannot make other tokens: sign in with your password")
        name, scopes, now = _name(name), personal_tokens.checked_scopes(scopes), self.clock.now()
        if not name:
            raise _invalid_name("Enter a name that tells you where the token is used.")
        expires_at = None if expires_in_seconds is None else now + timedelta(seconds=expires_in_seconds)
        secret = new_secret(personal_tokens.PREFIX)
        token = PersonalToken(new_id("tok"), name, scopes, now, expires_at, secret)
        if not await self.store.add_token(developer.id, token, fingerprint(secret), personal_tokens.MAX_TOKENS):
            raise InvalidInput(
                f"You have {personal_tokens.MAX_TOKENS} tokens, and an account cannot have more. Delete one first."
            )
        return token

    async def tokens(self, caller: Caller) -> PersonalTokens:
        return PersonalTokens(tuple(await self.store.tokens(caller.signed_in().id, personal_tokens.MAX_TOKENS)))

    async def delete_token(self, caller: Caller, id: str) -> None:
        until = self.clock.now().timestamp() + REMEMBER_SECONDS
        if not await self.store.delete_token(caller.signed_in().id, id, until):
            raise TokenNotFound

    async def exchange(self, client_id: str, client_secret: str) -> ServiceToken:
        if not self.settings.service_exchange:
            raise ServiceExchangeOff(
                "Set bunauth.service_exchange = true, and name the programs in bunauth.service_client_secrets."
            )
        if not self.service_clients.is_client(client_id, client_secret):
            raise InvalidCredentials("Send the name and the secret of a program in bunauth.service_client_secrets.")
        return ServiceToken(self.site.service_tokens.mint(ROOM, ROOM, client=client_id), LIFETIME_SECONDS)

    async def knows_address(self, email: str, ip: str) -> bool:
        return await knows_address(email, ip, self.store.addresses)

    async def accounts(self, ids: tuple[str, ...]) -> tuple[Account, ...]:
        if len(ids) > MAX_LIMIT:
            raise InvalidInput(f"Ask for at most {MAX_LIMIT} accounts at once.")
        return tuple(await self.store.accounts(list(ids)))

    async def signup_state(self) -> SignupState:
        return SignupState(self.signups.value, await self.store.has_admin())

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        return tuple(await self.store.mails.dev_mails(to, project, limit, before))

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.store.feed.follow()

    def _check_signups(self) -> None:
        if self.signups is not Signups.OPEN:
            raise SignupsClosed(
                "Registration is closed here. The operator of this server can open it with the setting bunauth.signups."
            )

    async def _account(self, id: str) -> Account:
        found = await self.store.account(id)
        if found is None:
            raise Unauthenticated("This account was deleted.")
        return found

    async def _open_session(self, caller: Caller, account: Account) -> SignedIn:
        now = self.clock.now()
        session = new_session(account.id, caller.ip, caller.agent, now, self.settings)
        pair = self._new_pair(account, session.id, session.expires_at, now)
        await self.store.add_session(session, pair.stored())
        return self._signed_in(account, pair)

    async def _end_session(self, session: str) -> None:
        now = self.clock.now()
        await self.store.end_session(session, now, revoked_until(now, await self.store.lifetimes.longest_seconds()))

    async def _verify_personal(self, token: str) -> Verified:
        holder, now = await self.store.token_holder(fingerprint(token)), self.clock.now()
        if holder is None or (holder.expires_at is not None and holder.expires_at <= now):
            return Verified(valid=False)
        if holder.last_used_at is None or now - holder.last_used_at >= TOUCH_EVERY:
            await self.store.touch_token(holder.id, now)
        return Verified(valid=True, claims=personal_tokens.personal_claims(holder, self.access.issuer))

    def _new_pair(self, account: Account, session: str, session_expires_at: datetime, now: datetime) -> Pair:
        access = self.access.sign(account, session, now)
        return new_pair(REFRESH_PREFIX, access, session_expires_at, now, self.settings)

    def _signed_in(self, account: Account, pair: Pair) -> SignedIn:
        return SignedIn(account, pair.access_token, pair.refresh_token, pair.expires_in(self.clock.now()))


def _name(name: str) -> str:
    name = name.strip()
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise _invalid_name(f"A name has at most {MAX_NAME_LENGTH} printable characters.")
    return name


def _invalid_name(message: str) -> InvalidInput:
    return InvalidInput.at("/name", message)


def _with_session(caller: Caller, why_not: str) -> Developer:
    developer = caller.signed_in()
    if not developer.session:
        raise Forbidden(f"This is a personal access token: {why_not}.")
    return developer
