"""Accounts with second factors for tests, and their answers to challenges."""

from __future__ import annotations

import pyotp
import pytest

from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.problems import SecondFactorRequired
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock
from tests.authenticator import Authenticator
from tests.bunauth.people import PASSWORD
from tests.rooms import ANYONE

ADA = "ada@example.com"
ORIGIN = "http://localhost:7070"  # This is the host of the public URL in tests/rooms.py.


class Phone:
    """An authenticator app that uses the clock of the test."""

    def __init__(self, secret: str, clock: ManualClock) -> None:
        self.app = pyotp.TOTP(secret)
        self.clock = clock

    def code(self, seconds: int = 0) -> str:
        return self.app.at(int(self.clock.now().timestamp()) + seconds)

    def next_code(self) -> str:
        """Return a code that was not used yet."""
        self.clock.advance(30)
        return self.code()

    def wrong_code(self) -> str:
        near = {self.code(seconds) for seconds in (-30, 0, 30)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


async def with_totp(bunauth: BunAuth, caller: Caller, clock: ManualClock) -> tuple[Phone, tuple[str, ...]]:
    """Turn the second factor on. Return the phone, whose next code is not used yet, and the recovery codes."""
    phone = Phone((await bunauth.start_totp(caller)).secret, clock)
    codes = (await bunauth.confirm_totp(caller, phone.code())).recovery_codes
    clock.advance(30)
    return phone, codes


async def challenged(bunauth: BunAuth, email: str = ADA, password: str = PASSWORD) -> str:
    """Sign in with the password, and return the challenge of the answer."""
    with pytest.raises(SecondFactorRequired) as asked:
        await bunauth.login(ANYONE, email, password)
    challenge: str = asked.value.extra["challenge"]
    return challenge


async def with_passkey(bunauth: BunAuth, caller: Caller, name: str = "laptop") -> tuple[Authenticator, str]:
    """Register a passkey. Return its authenticator and its id."""
    authenticator = Authenticator(ORIGIN)
    options = await bunauth.passkey_options(caller)
    made = await bunauth.register_passkey(caller, authenticator.create(options.public_key), name)
    return authenticator, made.id


async def sessions_of(bunauth: BunAuthService, email: str = ADA) -> int:
    statement = "SELECT count(*) FROM sessions JOIN users ON users.id = user_id WHERE email = $1 AND ended_at IS NULL"
    count: int = await bunauth.stores.db.value(statement, email)
    return count
