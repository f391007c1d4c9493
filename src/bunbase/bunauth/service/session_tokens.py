"""Make sessions and their tokens: an access token, and a refresh token that is stored only as a hash."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from enum import Enum
from typing import Final

import msgspec

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.service.activity import ActivityService, Happened
from bunbase.bunauth.service.new_devices import NewDevices
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod, ActivityOutcome
from bunbase.contracts.bunauth.administration import AccountSuspended
from bunbase.contracts.bunauth.problems import InvalidCredentials, SecondFactorRequired
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.sign_in_challenges import SignInChallenges
from bunbase.pkg.sessions import Pair, RefreshToken, SessionSettings, new_pair, new_session, revoked_until

POOL: Final = "developers"  # Developers have this label in the metric of sign-ins.
REFRESH_PREFIX: Final = "brt"
SECOND_STEP: Final = "POST /api/auth/login/second-factor"


class Factors(Enum):
    """The number of factors that a sign-in has checked."""

    ONE = "one"
    TWO = "two"  # A passkey that has verified its user, and the consent of an open session, also count as two.


BY_UNKNOWN: Final = Happened(Activity.SIGN_IN)


def signed_in_by(method: ActivityMethod, target: str = "") -> Happened:
    """Return a sign-in as an entry of the activity.

    `target`: the name of the service with which the person signed in.
    """
    return Happened(Activity.SIGN_IN, method, target)


class SessionTokens:
    """Makes sessions. `settings`: the lifetimes of the tokens.

    `devices` records the devices from which accounts sign in.
    """

    def __init__(
        self, stores: Stores, access: AccessTokens, settings: SessionSettings, clock: Clock, devices: NewDevices
    ) -> None:
        self.stores = stores
        self.devices = devices
        self.activity = ActivityService(stores, clock)
        self.access = access
        self.settings = settings
        self.clock = clock
        self.challenges = SignInChallenges(stores.pool, SECOND_STEP, clock)

    def changed(self, settings: SessionSettings, access: AccessTokens | None = None) -> SessionTokens:
        """Return a copy that uses other lifetimes or access tokens.

        The copy and this object share the same activity, and a job stores the refused attempts that the activity has
        counted.
        """
        other = copy(self)
        other.settings, other.access = settings, access or self.access
        return other

    async def open_session(
        self,
        caller: Caller,
        found: Credentials,
        proved: bool = True,
        factors: Factors = Factors.ONE,
        by: Happened = BY_UNKNOWN,
    ) -> SignedIn:
        """Store a new session of the account, and return its first pair of tokens. Every sign-in ends with this method.

        After one factor, an account with a second factor gets a challenge instead of a session. In this case, do not
        call this inside a transaction, because SecondFactorRequired would roll back the challenge.
        Raises: SecondFactorRequired, AccountSuspended; InvalidCredentials if the credentials were changed meanwhile.
        `proved`: true if the caller has just proved to own the account, so dangerous actions need no further proof for
        some time.
        `by`: the sign-in as the owner sees it in the activity. This entry is stored together with the session.
        """
        if factors is Factors.ONE:
            await self.check_second_factor(caller, found, by)
        account, now = found.account(), self.clock.now()
        session = new_session(account.id, caller.ip, caller.agent, now, self.settings)
        pair = self.new_pair(account, session.id, 0, session.expires_at, now)
        async with self.stores.db.transaction():
            if await self.stores.sessions.add(session, pair.stored(), now if proved else None, found.version):
                await self.activity.add(caller, account.id, by)
                await self.devices.note(caller, found, by)
                return self.answer(account, pair)
        self.activity.note_refused(caller, account.id, by.action, by.method, by.target)
        if await self.stores.administration.is_suspended(account.id):
            raise AccountSuspended("Ask an administrator of this installation to resume it.")
        raise InvalidCredentials

    async def check_second_factor(self, caller: Caller, found: Credentials, by: Happened) -> None:
        """Raise SecondFactorRequired, and record it in the activity, if the account needs a second factor."""
        try:
            await self.challenges.check(found)
        except SecondFactorRequired:
            challenged = msgspec.structs.replace(by, outcome=ActivityOutcome.CHALLENGED)
            await self.activity.add(caller, found.id, challenged)
            raise

    def new_pair(
        self, account: Account, session: str, generation: int, session_expires_at: datetime, now: datetime
    ) -> Pair:
        """Return a new pair of tokens of a session, without storing it."""
        access = self.access.sign(account, session, generation, now, session_expires_at)
        return new_pair(REFRESH_PREFIX, access, session_expires_at, now, self.settings)

    def with_living_access(self, pair: Pair, account: Account, token: RefreshToken, now: datetime) -> Pair:
        """Return the pair for which a refresh token was exchanged.

        If the access token of the pair has expired, replace it.
        """
        if pair.access_expires_at > now.timestamp():
            return pair
        signed, expires_at = self.access.sign(
            account, token.session, token.generation + 1, now, token.session_expires_at
        )
        return msgspec.structs.replace(pair, access_token=signed, access_expires_at=expires_at)

    def answer(self, account: Account, pair: Pair) -> SignedIn:
        return SignedIn(account, pair.access_token, pair.refresh_token, pair.expires_in(self.clock.now()))

    async def revoked_until(self, now: datetime) -> float:
        return revoked_until(now, await self.stores.lifetimes.longest_seconds())
