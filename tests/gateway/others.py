"""Fakes of the rooms that the gateway calls. The fakes have only the methods that the gateway calls.

The tokens of the fakes are signed.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from bunbase.contracts.audit import ActEnd, AuditedAct
from bunbase.contracts.bunauth.accounts import Account, NewAccount, Registered, SignedIn, SignupState
from bunbase.contracts.bunauth.devices import WaitingDevice
from bunbase.contracts.bunauth.factors import PasskeyOptions, SecondFactor
from bunbase.contracts.bunauth.identities import CodeExchange, ExternalRedirect, ExternalStart
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageWays
from bunbase.contracts.bunauth.problems import (
    DeviceNotFound,
    InvalidCredentials,
    InvalidToken,
    ReauthenticationRequired,
    SecondFactorRequired,
    ServiceExchangeOff,
)
from bunbase.contracts.bunauth.tokens import FirstUse, Jwks, ServiceToken, Verified
from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.keys import KeyLimits, UsedKey
from bunbase.contracts.platform import (
    AcceptedInvite,
    InvalidKey,
    KeyHolder,
    Membership,
    OpenInvitation,
    ProjectNotFound,
    Projects,
)
from bunbase.contracts.project_administration import ProjectSuspended
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.tenant_auth.cookies import CookieAccess, CookieMode
from bunbase.contracts.tenant_auth.problems import UserNotFound
from bunbase.contracts.tenant_auth.sessions import OwnSessions, UserSignedIn
from bunbase.contracts.tenant_auth.sign_in_page import ByPassword, PageEnd, PageRequest, Shown, SignInLook
from bunbase.contracts.tenant_auth.signups import SignupDetails
from bunbase.contracts.tenant_auth.users import ManagedUser, User
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.jwt import BadToken, SigningKey, Verifier, new_private_key
from bunbase.pkg.mail.letters import DevMail

ADA, BAKERY, LIBRARY = "usr_ada", "prj_bakery", "prj_library"
PUBLISHABLE, SECRET, LIBRARYS = "pk_bakery", "sk_bakery", "pk_library"
SERVERS, READERS, PAGES = "sk_servers", "sk_readers", "pk_pages"  # These keys have limits.
APP, BELOW = "https://app.example", "https://*.shop.example"
PASSWORD = "correct horse battery"
WAITING = WaitingDevice("WDJB-MJHT", "bunbase", "203.0.113.7", "bunbase-cli", datetime(2026, 1, 5, tzinfo=UTC))
FIRST_OF_TWO = "the password of an account with a second factor"
LONG = 4_000_000_000.0  # These Unix seconds are in the year 2096.


@functools.cache
def signing_key(signer: str) -> SigningKey:
    """Return the key of a signer. The key is cached, because making a key is slow."""
    return SigningKey(new_private_key())


class Room:
    """A room with a feed of revocations.

    `calls` counts the calls of each method. If `reachable` is False, nobody can follow the feed.
    `mails`: the mails of the room in the mailbox of dev mode, in any order.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.reachable = True
        self.told: list[Revocation] = []
        self.followers: list[asyncio.Queue[Revocation | None]] = []
        self.mails: list[DevMail] = []

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        found = [
            mail
            for mail in sorted(self.mails, key=lambda mail: mail.id, reverse=True)
            if to in ("", mail.to) and project in ("", mail.project) and (not before or mail.id < before)
        ]
        return tuple(found[:limit])

    async def revocations(self) -> AsyncIterator[Revocation]:
        if not self.reachable:
            raise Unreachable("This room is down.")
        queue: asyncio.Queue[Revocation | None] = asyncio.Queue()
        self.followers.append(queue)
        for told in self.told:
            yield told
        yield Revocation(RevokedKind.READY)
        while (told_now := await queue.get()) is not None:
            yield told_now
        raise Unreachable("The feed broke off.")

    def tell(self, kind: RevokedKind, id: str) -> None:
        news = Revocation(kind, id, LONG)
        self.told.append(news)
        for follower in self.followers:
            follower.put_nowait(news)

    def break_off(self) -> None:
        """End every feed; nobody can follow again until `reachable` is True. Calls are still answered."""
        self.reachable = False
        for follower in self.followers:
            follower.put_nowait(None)
        self.followers.clear()


class FakeBunAuth(Room):
    def __init__(self) -> None:
        super().__init__()
        self.signer = "developers"
        self.exchanges = False
        self.proved = {"ses_1"}  # These sessions have reauthenticated recently.
        self.confirms = False  # True if an address must be confirmed before it has an account.
        self.first_uses: list[FirstUse] = []
        self.ended: set[str] = set()
        self.personal: dict[str, dict[str, Any]] = {}
        self.answering = asyncio.Event()  # While this is clear, `verify` has read a personal token but does not return.
        self.answering.set()
        self.known: set[tuple[str, str]] = set()  # The email of an account, and an address from which it signed in.

    def token(self, session: str = "ses_1", seconds: float = 900, **claims: Any) -> str:
        said = {"sub": ADA, "sid": session, "type": "access", "role": "user", "email": "ada@example.com"}
        return signing_key(self.signer).sign(said | {"aud": "bunbase", "exp": time.time() + seconds} | claims)

    def personal_token(self, *scopes: str) -> str:
        token = f"bpt_{len(self.personal)}"
        self.personal[token] = {"sub": ADA, "jti": f"tok_{token}", "email": "ada@example.com", "scopes": list(scopes)}
        return token

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        self.first_uses.extend(uses)

    async def jwks(self) -> Jwks:
        self.calls["jwks"] += 1
        return Jwks((signing_key(self.signer).public_jwk(),))

    async def verify(self, token: str) -> Verified:
        self.calls["verify"] += 1
        if token.startswith("bpt_"):
            claims = self.personal.get(token)
            await self.answering.wait()
            return Verified(valid=False) if claims is None else Verified(valid=True, claims=claims)
        try:
            claims = Verifier((signing_key(self.signer).public_jwk(),)).claims(token)
        except BadToken:
            return Verified(valid=False)
        return Verified(claims["sid"] not in self.ended, claims)

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        self.calls["login"] += 1
        if password == FIRST_OF_TWO:
            raise SecondFactorRequired(challenge="bsc_1", methods=["totp"])
        if password != PASSWORD:
            raise InvalidCredentials
        account = Account(ADA, email, "Ada", "user", datetime(2026, 1, 1, tzinfo=UTC))
        return SignedIn(account, "access", "refresh", 900)

    async def login_with_second_factor(self, caller: Caller, challenge: str, answer: SecondFactor) -> SignedIn:
        return await self.login(caller, "ada@example.com", PASSWORD)

    async def login_with_passkey(self, caller: Caller, credential: dict[str, Any]) -> SignedIn:
        return await self.login(caller, "ada@example.com", PASSWORD)

    async def passkey_login_options(self, challenge: str | None) -> PasskeyOptions:
        return PasskeyOptions({})

    async def me(self, caller: Caller) -> Account:
        developer = caller.signed_in()
        return Account(developer.id, developer.email, caller.ip, "user", datetime(2026, 1, 1, tzinfo=UTC))

    async def delete_token(self, caller: Caller, id: str) -> None:
        """Accept every id."""

    async def logout(self, caller: Caller) -> None:
        self.calls["logout"] += 1

    async def exchange(self, client_id: str, client_secret: str) -> ServiceToken:
        if not self.exchanges:
            raise ServiceExchangeOff
        if client_secret != PASSWORD:
            raise InvalidCredentials
        return ServiceToken("service", 300)

    async def knows_address(self, email: str, ip: str) -> bool:
        self.calls["knows_address"] += 1
        return (email, ip) in self.known

    async def register(self, caller: Caller, new: NewAccount) -> Registered:
        return Registered(None if self.confirms else await self.login(caller, new.email, new.password))

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        return await self.login(caller, "ada@example.com", PASSWORD)

    async def start_external_login(self, provider: str, start: ExternalStart) -> ExternalRedirect:
        return ExternalRedirect("https://idp.example/", "bbs_1")

    async def exchange_code(self, caller: Caller, exchange: CodeExchange) -> SignedIn:
        return await self.login(caller, "ada@example.com", PASSWORD)

    async def waiting_device(self, user_code: str) -> WaitingDevice:
        if user_code != WAITING.user_code:
            raise DeviceNotFound
        return WAITING

    async def decide_device_login_by_password(
        self, caller: Caller, user_code: str, email: str, password: str, approve: bool
    ) -> None:
        await self.waiting_device(user_code)
        await self.login(caller, email, password)

    async def page_ways(self, to: ActPage, cookie: str) -> PageWays:
        return PageWays()

    async def decide_device_login_by_code(
        self, caller: Caller, user_code: str, challenge: str, code: str, approve: bool
    ) -> None:
        await self.waiting_device(user_code)

    async def need_fresh_proof(self, caller: Caller) -> None:
        if caller.signed_in().session not in self.proved:
            raise ReauthenticationRequired

    async def signup_state(self) -> SignupState:
        return SignupState("open", setup_complete=True)


class FakePlatform(Room):
    """A test sets the methods that it needs and that are not defined here."""

    create_key: Callable[..., Any]
    revoke_key: Callable[..., Any]

    def __init__(self) -> None:
        super().__init__()
        self.holders = {
            PUBLISHABLE: KeyHolder("key_p", BAKERY, CallerKind.PUBLISHABLE),
            SECRET: KeyHolder("key_s", BAKERY, CallerKind.SECRET, limits=KeyLimits(allow_browser=True)),
            SERVERS: KeyHolder("key_v", BAKERY, CallerKind.SECRET),
            READERS: KeyHolder("key_r", BAKERY, CallerKind.SECRET, limits=KeyLimits(scopes=("data:posts:read",))),
            PAGES: KeyHolder("key_w", BAKERY, CallerKind.PUBLISHABLE, limits=KeyLimits(origins=(APP, BELOW))),
            LIBRARYS: KeyHolder("key_l", LIBRARY, CallerKind.PUBLISHABLE),
        }
        self.roles = {(ADA, ref): Membership(ADA, BAKERY, "bakery", Role.OWNER) for ref in (BAKERY, "bakery")}
        self.used: list[UsedKey] = []
        self.answering = asyncio.Event()  # While this is clear, a look-up has read its data but does not return yet.
        self.answering.set()
        self.suspended: set[str] = set()
        self.writable = True  # True if the audit log can be written.
        self.entries: list[list[Any]] = []  # The audit log has the caller, the act, and the end or None.
        self.refusals: list[tuple[Caller, AuditedAct, int]] = []

    async def accept_invite_by_password(self, caller: Caller, token: str, email: str, password: str) -> AcceptedInvite:
        if password != PASSWORD:
            raise InvalidCredentials
        return AcceptedInvite(Role.VIEWER)

    async def accept_invite_by_code(self, caller: Caller, token: str, challenge: str, code: str) -> AcceptedInvite:
        return AcceptedInvite(Role.VIEWER)

    async def invitation(self, token: str, cookie: str = "") -> OpenInvitation:
        return OpenInvitation("Bakery", Role.VIEWER, "ada@example.com", "bob@example.com")

    async def begin_act(self, caller: Caller, act: AuditedAct) -> str:
        self.calls["begin_act"] += 1
        if not self.writable:
            raise Unreachable("The log cannot be written.")
        self.entries.append([caller, act, None])
        return str(len(self.entries) - 1)

    async def end_act(self, id: str, end: ActEnd) -> None:
        if not self.writable:
            raise Unreachable("The log cannot be written.")
        self.entries[int(id)][2] = end

    async def export_audit(self, *_: Any) -> AsyncIterator[Any]:
        batches: tuple[Any, ...] = ()
        for batch in batches:
            yield batch

    export_installation_audit = export_audit

    async def note_refusals(self, caller: Caller, act: AuditedAct, count: int) -> None:
        self.refusals.append((caller, act, count))

    async def projects(self, caller: Caller, limit: int, cursor: str | None, deleted: bool = False) -> Projects:
        return Projects((), None)

    async def key_holder(self, key: str) -> KeyHolder:
        self.calls["key_holder"] += 1
        found = self.holders.get(key)
        await self.answering.wait()
        if found is None:
            raise InvalidKey
        await self.check_active(found.project)
        return found

    async def keys_used(self, used: tuple[UsedKey, ...]) -> None:
        self.used.extend(used)

    async def project_of(self, slug: str) -> str:
        self.calls["project_of"] += 1
        found = {membership.slug: membership.project for membership in self.roles.values()}
        if slug not in found:
            raise ProjectNotFound
        return found[slug]

    async def custody(self, developer: str, project: str) -> Membership:
        return await self.membership(developer, project)

    async def check_active(self, project: str) -> None:
        if project in self.suspended:
            raise ProjectSuspended

    async def inspection(self, developer: str, project: str) -> Membership:
        if project not in (BAKERY, LIBRARY):
            raise ProjectNotFound
        return Membership(developer, project, project.removeprefix("prj_"), Role.VIEWER)

    async def membership(self, developer: str, project: str) -> Membership:
        self.calls["membership"] += 1
        found = self.roles.get((developer, project))
        await self.answering.wait()
        if found is None:
            raise ProjectNotFound
        return found


class FakeTenantAuth(Room):
    def __init__(self) -> None:
        super().__init__()
        self.answering = asyncio.Event()  # While this is clear, `jwks` has read the keys but does not return.
        self.answering.set()
        self.ended: set[str] = set()
        self.version = 0
        self.first_uses: list[FirstUse] = []
        self.known: set[tuple[str, str, str]] = set()  # The project, the email of a user, and an address.
        self.signers: dict[str, str] = {}  # The keys of these projects were replaced.
        self.modes: dict[str, CookieMode] = {}
        self.cookies: dict[tuple[str, str], CookieAccess] = {}  # The keys are the project and the value of the cookie.
        self.managed: dict[tuple[str, str], ManagedUser] = {}  # The keys are the project and the id of the user.

    async def cookie_mode(self, project: str) -> CookieMode:
        return self.modes.get(project, CookieMode())

    async def is_cookie_origin(self, origin: str) -> bool:
        return any(origin in mode.origins for mode in self.modes.values())

    async def cookie_access(self, project: str, cookie: str, anew: bool) -> CookieAccess:
        self.calls["cookie_access"] += 1
        await asyncio.sleep(0)  # Other callers may ask meanwhile.
        if (project, cookie) not in self.cookies:
            raise InvalidToken
        return self.cookies[project, cookie]

    def token(self, project: str = BAKERY, session: str = "ses_u", seconds: float = 900, **claims: Any) -> str:
        said = {"sub": "usr_eve", "aud": project, "sid": session, "type": "user", "role": "user", "email": None}
        return self.key(project).sign(said | {"claims": {}, "exp": time.time() + seconds} | claims)

    def key(self, project: str) -> SigningKey:
        return signing_key(self.signers.get(project, project))

    async def export_users(self, *_: Any) -> AsyncIterator[Any]:
        parts: tuple[Any, ...] = ()
        for part in parts:
            yield part

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        self.first_uses.extend(uses)

    async def jwks(self, project: str) -> Jwks:
        self.calls["jwks"] += 1
        key = self.key(project)
        await self.answering.wait()
        return Jwks((key.public_jwk(),))

    async def request_user_verification(self, caller: Caller, email: str, redirect_to: str, captcha: str = "") -> None:
        self.calls["request_user_verification"] += 1

    async def session_alive(self, project: str, session: str, version: int) -> bool:
        self.calls["session_alive"] += 1
        return session not in self.ended and version == self.version

    async def knows_address(self, project: str, account: str, ip: str) -> bool:
        self.calls["knows_address"] += 1
        return (project, account, ip) in self.known

    async def signup(
        self,
        caller: Caller,
        email: str,
        password: str,
        data: dict[str, Any],
        captcha: str = "",
        details: SignupDetails | None = None,
    ) -> UserSignedIn:
        return await self.login(caller, email, password)

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        return await self.login(caller, "eve@example.com", PASSWORD)

    async def sign_in_anonymously(self, caller: Caller, data: dict[str, Any], captcha: str = "") -> UserSignedIn:
        return await self.login(caller, "", PASSWORD)

    async def login_with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        return await self.login(caller, "eve@example.com", PASSWORD)

    async def logout(self, caller: Caller) -> None:
        caller.end_user()

    async def user(self, caller: Caller, id: str) -> ManagedUser:
        if (caller.project, id) not in self.managed:
            raise UserNotFound
        return self.managed[caller.project, id]

    async def own_sessions(self, caller: Caller, limit: int, cursor: str | None) -> OwnSessions:
        caller.end_user()
        return OwnSessions(())

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        self.calls["login"] += 1
        if password != PASSWORD:
            raise InvalidCredentials
        user = User("usr_eve", email, False, "user", {}, {}, datetime(2026, 1, 1, tzinfo=UTC))
        return UserSignedIn(user, "access", "refresh", 900)

    async def sign_in_look(self, caller: Caller, request: PageRequest) -> SignInLook:
        return SignInLook("Bakery", signups=True, passkeys=False)

    async def sign_in_on_page(self, caller: Caller, request: PageRequest, shown: Shown) -> PageEnd:
        assert isinstance(shown, ByPassword)
        await self.login(caller, shown.email, shown.password)
        return PageEnd("https://app.example/?code=upc_1")
