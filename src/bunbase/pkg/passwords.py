"""Passwords: argon2id in a bounded pool of threads, so that a storm of sign-ins cannot starve anything else."""

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

MIN_LENGTH = 8
MAX_LENGTH = 256  # characters; a longer one is only a way to make us hash more
POOL_THREADS = 2
QUEUE_LIMIT = 200  # at 19 ms each and two threads, the last in the queue waits two seconds

_T = TypeVar("_T")

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)  # OWASP's first choice; 19 ms


class SignInBusy(Problem):
    status, code, title = 503, "sign_in_busy", "Too many sign-ins at once"


class Passwords:
    """Hashes and checks passwords; at most QUEUE_LIMIT wait, the next is refused.

    Passwords are composed first (NFKC, as NIST SP 800-63B §3.1.1.2 asks), so that keyboards that write é in two ways
    agree.
    """

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="argon2")
        self.waiting = 0

    async def hash(self, password: str) -> str:
        """Give an encoded argon2id hash. Raises: InvalidInput, SignInBusy."""
        password = _composed(password)
        check_password(password)
        return await self._run(functools.partial(HASHER.hash, password))

    async def matches(self, password: str, hash: str | None) -> bool:
        """Compare in the same time whether or not there is an account: without a hash, with a decoy."""
        password = _composed(password)
        if len(password) > MAX_LENGTH:
            return False
        return await self._run(functools.partial(_matches, password, hash or decoy())) and hash is not None

    async def make_decoy(self) -> None:
        """Do it before the first sign-in, or that one would take twice the time."""
        await self._run(functools.partial(decoy))

    def close(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: functools.partial[_T]) -> _T:
        if self.waiting >= QUEUE_LIMIT:
            raise SignInBusy("Try again in a few seconds.", retry_after_seconds=3)
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, work)
        finally:
            self.waiting -= 1


@asynccontextmanager
async def open_passwords() -> AsyncIterator[Passwords]:
    """Give a pool of threads that lasts as long as the block."""
    passwords = Passwords()
    try:
        await passwords.make_decoy()
        yield passwords
    finally:
        passwords.close()


def check_password(password: str) -> None:
    """Raises: InvalidInput when a password is too short or too long (NIST SP 800-63B §3.1.1.2)."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        message = f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters."
        raise InvalidInput(message, errors=[{"path": "/password", "message": message}])


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
