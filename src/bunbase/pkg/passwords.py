"""Passwords: argon2id in a bounded pool of threads, so that a storm of sign-ins cannot starve anything else.

Pools of accounts take turns, and sign-ins go before sign-ups (`hash_turns.py`): other pools do not feel a storm in one.
"""

from __future__ import annotations

import asyncio
import functools
import unicodedata
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.hash_turns import HashTurns, NoRoom, Purpose, TurnQueue

MIN_LENGTH = 8
MAX_LENGTH = 256  # characters; a longer one is only a way to make us hash more
POOL_THREADS = 2
# at 19 ms each and two threads, the last of a pool waits half a second for a sign-in if it is alone, and two seconds if
# every line is full; sign-ups wait up to three times as long as sign-ins, never in front of them
SIGN_INS_OF_POOL = 50
SIGN_INS = 200
SIGN_UPS_OF_POOL = 25
SIGN_UPS = 100

_T = TypeVar("_T")

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)  # OWASP's first choice; 19 ms


class SignInBusy(Problem):
    status, code, title = 503, "sign_in_busy", "Too many sign-ins at once"


class Passwords:
    """Hashes and checks passwords. `pool`: whose accounts they open; each pool may have so many waiting, all pools
    together so many more, and the next is refused.

    Passwords are composed first (NFKC, as NIST SP 800-63B §3.1.1.2 asks), so that keyboards that write é in two ways
    agree.
    """

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="argon2")
        self.turns = HashTurns(
            POOL_THREADS, TurnQueue(SIGN_INS_OF_POOL, SIGN_INS), TurnQueue(SIGN_UPS_OF_POOL, SIGN_UPS)
        )

    async def hash(self, pool: str, password: str) -> str:
        """Return an encoded argon2id hash. Raises: InvalidInput, SignInBusy."""
        password = _composed(password)
        check_password(password)
        return await self._run(pool, Purpose.SIGN_UP, functools.partial(HASHER.hash, password))

    async def matches(self, pool: str, password: str, hash: str | None) -> bool:
        """Compare in the same time whether or not there is an account: without a hash, with a decoy.

        Raises: SignInBusy.
        """
        password = _composed(password)
        if len(password) > MAX_LENGTH:
            return False
        matching = functools.partial(_matches, password, hash or decoy())
        return await self._run(pool, Purpose.SIGN_IN, matching) and hash is not None

    async def make_decoy(self) -> None:
        """Do it before the first sign-in, or that one would take twice the time."""
        await self._run("", Purpose.SIGN_IN, functools.partial(decoy))

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, pool: str, purpose: Purpose, work: functools.partial[_T]) -> _T:
        try:
            await self.turns.take(pool, purpose)
        except NoRoom:
            raise SignInBusy("Try again in a few seconds.", retry_after_seconds=3) from None
        try:
            hashing = asyncio.get_running_loop().run_in_executor(self.threads, work)
        except BaseException:
            self.turns.give_back()
            raise
        hashing.add_done_callback(lambda _: self.turns.give_back())  # a caller who leaves does not free the thread
        return await asyncio.shield(hashing)


@asynccontextmanager
async def open_passwords() -> AsyncIterator[Passwords]:
    """Yield a pool of threads that lasts as long as the block."""
    passwords = Passwords()
    try:
        await passwords.make_decoy()
        yield passwords
    finally:
        passwords.close()


def check_password(password: str) -> None:
    """Raises: InvalidInput when a password is too short or too long (NIST SP 800-63B §3.1.1.2)."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput.at("/password", f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")


@functools.cache
def decoy() -> str:
    return HASHER.hash("nobody has this password")


def _composed(password: str) -> str:
    if len(password) > MAX_LENGTH * 4:  # composing a huge text would block everything else
        return password
    return unicodedata.normalize("NFKC", password)


def _matches(password: str, hash: str) -> bool:
    try:
        return HASHER.verify(hash, password)
    except (VerificationError, InvalidHashError):
        return False
