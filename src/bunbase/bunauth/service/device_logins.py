"""Sign a device in without typing a password there (RFC 8628), as `bunbase login` does.

The life of one sign-in:

1. The device requests a device code, which is secret, and a user code, which it shows with the URL of a page.
2. A person opens the page in a browser, sees the name of the device, signs in, and approves or denies.
3. The device requests its tokens every few seconds. After the approval, it gets the tokens once: the row is deleted in
   the transaction that opens the session. If a server is killed between approval and answer, nothing is lost.

The session does not count as recently reauthenticated, because the person has proved to own the account in the browser,
and not on the device.

An attacker can begin a sign-in and send its link to a victim. Therefore the page shows the location of the device, and
warns the person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.page_sign_in import PageSignIn
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.session_tokens import Factors, SessionTokens, signed_in_by
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.device_logins import NewDeviceLogin, PolledLogin
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.devices import DeviceLogin, WaitingDevice
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageName
from bunbase.contracts.bunauth.problems import (
    AuthorizationPending,
    DeviceCodeExpired,
    DeviceDenied,
    DeviceNotFound,
    InvalidCredentials,
    SlowDown,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import InvalidInput, Problem, RateLimited
from bunbase.pkg.ip_addresses import network_around
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.pkg.totp import is_totp_code
from bunbase.pkg.user_codes import new_user_code, shown, typed

PREFIX: Final = "bdc"
LIFETIME_SECONDS: Final = 600
INTERVAL_SECONDS: Final = 5
MAX_INTERVAL_SECONDS: Final = 60
# The installation has at most this many open sign-ins. More would make it easier to guess user codes.
MAX_OPEN: Final = 10_000
# One network has at most this many open sign-ins. Otherwise one attacker could use up MAX_OPEN.
MAX_OPEN_OF_NETWORK: Final = 100
MAX_CLIENT_LENGTH: Final = 100

BY_DEVICE: Final = signed_in_by(ActivityMethod.DEVICE)


@dataclass(frozen=True)
class Approvers:
    """The ways to find out which account approves in the browser: a session with a proof, or a sign-in."""

    page_sign_in: PageSignIn
    proofs: Proofs


class DeviceLogins:
    def __init__(self, stores: Stores, tokens: SessionTokens, approvers: Approvers, public_url: str) -> None:
        self.stores = stores
        self.tokens = tokens
        self.approvers = approvers
        self.clock = tokens.clock
        self.page = f"{public_url.rstrip('/')}/device"

    async def start(self, caller: Caller, client: str) -> DeviceLogin:
        """Begin a sign-in. `client`: the name of the device for the person. Raises: InvalidInput, RateLimited."""
        if len(client) > MAX_CLIENT_LENGTH or not client.isprintable():
            raise InvalidInput.at("/client", f"A name has at most {MAX_CLIENT_LENGTH} printable characters.")
        code, now = new_secret(PREFIX), self.clock.now()
        expires_at, network = now + timedelta(seconds=LIFETIME_SECONDS), network_around(caller.ip)
        async with self.stores.db.transaction():
            if not await self.stores.device_logins.has_room(now, MAX_OPEN, network, MAX_OPEN_OF_NETWORK):
                raise RateLimited("Too many devices wait for approval.", retry_after_seconds=LIFETIME_SECONDS)
            while True:
                user_code = new_user_code()
                who = (client, caller.ip, caller.agent, now, expires_at, network, INTERVAL_SECONDS)
                if await self.stores.device_logins.add(NewDeviceLogin(fingerprint(code), user_code, *who)):
                    break
        complete = f"{self.page}?user_code={shown(user_code)}"
        return DeviceLogin(code, shown(user_code), self.page, complete, LIFETIME_SECONDS, INTERVAL_SECONDS)

    async def poll(self, caller: Caller, device_code: str) -> SignedIn:
        """Return the tokens of an approved sign-in. This works once.

        Raises: AuthorizationPending, SlowDown, DeviceCodeExpired, DeviceDenied.
        """
        hash, now, logins = fingerprint(device_code), self.clock.now(), self.stores.device_logins
        async with self.stores.db.transaction():
            found = await logins.locked(hash, now)
            if found is None:
                raise _expired()
            if found.state == "approved":
                await logins.delete(hash)
                return await self._open_session(caller, found)
            if found.state == "waiting":
                waits, interval = _next_poll(found, (now - (found.polled_at or now)).total_seconds())
                await logins.note_poll(hash, now, interval)
            else:
                await logins.delete(hash)
                waits = DeviceDenied("The sign-in was denied in the browser.", error="access_denied")
        raise waits  # This comes after the commit, so that the changes are stored.

    async def waiting(self, user_code: str) -> WaitingDevice:
        """Return the device that waits for the decision about a user code. Raises: DeviceNotFound."""
        found = await self.stores.device_logins.waiting(typed(user_code), self.clock.now())
        if found is None:
            raise _not_found()
        return WaitingDevice(shown(found.user_code), found.client, found.ip, found.agent, found.created_at)

    async def decide(self, caller: Caller, user_code: str, approve: bool) -> None:
        """Approve or deny a sign-in. Raises: DeviceNotFound, ReauthenticationRequired, Forbidden."""
        user = (await self.approvers.proofs.need_fresh(caller)).id
        await self._decide(caller, user, user_code, approve)

    async def decide_by_password(
        self, caller: Caller, user_code: str, email: str, password: str, approve: bool
    ) -> None:
        """Approve or deny a sign-in with the password of an account. No session stays open.

        Raises: DeviceNotFound, InvalidCredentials, SecondFactorRequired, AccountSuspended.
        """
        await self.waiting(user_code)  # This check comes before the password is hashed, which is expensive.
        account = await self.approvers.page_sign_in.by_password(caller, email, password)
        await self._decide(caller, account.id, user_code, approve)

    async def decide_by_code(
        self, caller: Caller, user_code: str, challenge: str, code: str, approve: bool
    ) -> int | None:
        """Approve or deny a sign-in with the second factor, after `decide_by_password` has raised SecondFactorRequired.

        If `code` was a recovery code, return the number of codes that are left; otherwise return None.
        Raises: DeviceNotFound, ChallengeExpired, WrongCode, RateLimited, AccountSuspended.
        """
        await self.waiting(user_code)  # This check comes before the code is used up.
        account = await self.approvers.page_sign_in.by_code(caller, challenge, code)
        await self._decide(caller, account.id, user_code, approve)
        return None if is_totp_code(code) else (await self.stores.factors.counts(account.id)).recovery_codes

    async def decide_by_pass(self, caller: Caller, user_code: str, cookie: str, approve: bool) -> None:
        """Approve or deny a sign-in with a pass for this page and this user code.

        Raises: DeviceNotFound, ChallengeExpired, AccountSuspended.
        """
        await self.waiting(user_code)  # This check comes before the pass is used up.
        to = ActPage(PageName.DEVICE, user_code)
        account = await self.approvers.page_sign_in.by_pass(caller, to, cookie)
        await self._decide(caller, account.id, user_code, approve)

    async def _decide(self, caller: Caller, user: str, user_code: str, approve: bool) -> None:
        code, now = typed(user_code), self.clock.now()
        async with self.stores.db.transaction():
            device = await self.stores.device_logins.waiting(code, now)
            if device is None or not await self.stores.device_logins.decide(code, now, approve, user):
                raise _not_found()
            action = Activity.DEVICE_APPROVE if approve else Activity.DEVICE_DENY
            await self.tokens.activity.add(caller, user, Happened(action, target=device.client))

    async def _open_session(self, caller: Caller, found: PolledLogin) -> SignedIn:
        account = await self.stores.accounts.credentials_of(found.user_id or "")
        if account is None or account.version != found.user_version:
            raise _expired()  # The credentials were changed after the approval.
        try:
            return await self.tokens.open_session(caller, account, False, Factors.TWO, BY_DEVICE)
        except InvalidCredentials:
            raise _expired() from None


def _next_poll(login: PolledLogin, since_seconds: float) -> tuple[Problem, int]:
    """Return the error for a device that must wait, and its new polling interval (RFC 8628 §3.5)."""
    interval = login.interval_seconds
    if login.polled_at is not None and since_seconds < interval:
        interval = min(interval + INTERVAL_SECONDS, MAX_INTERVAL_SECONDS)
        return SlowDown(f"Ask again in {interval} seconds, and no more often.", error="slow_down"), interval
    return AuthorizationPending(
        "Nobody has approved the sign-in yet: ask again.", error="authorization_pending"
    ), interval


def _expired() -> DeviceCodeExpired:
    return DeviceCodeExpired("The code has expired, or it was used: start again.", error="expired_token")


def _not_found() -> DeviceNotFound:
    return DeviceNotFound("Compare the code with the one on your device, or start again there.")
