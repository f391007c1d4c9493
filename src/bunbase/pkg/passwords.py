"""Hash and check passwords with argon2id in two threads, so that many sign-ins at once cannot block the process.

Pools of accounts take turns, and sign-ins go before sign-ups (`hash_turns.py`). So many sign-ins in one pool do not
delay the other pools.

Hashes that other systems made (`password_hashes`) are checked in separate threads. One check may take a second, and a
project with such hashes must not delay the sign-ins of other projects. One project uses one of these threads
at a time, so that the slow hashes of one project do not delay another project. When a user next sends the right
password, one of our hashes replaces the foreign hash.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import sys
import threading
import unicodedata
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.hash_turns import HashTurns, NoRoom, Purpose, TurnQueue
from bunbase.pkg.password_hashes.limits import UnusableHash
from bunbase.pkg.password_hashes.reading import read_hash
from bunbase.pkg.sent_texts import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH

MIN_LENGTH, MAX_LENGTH = MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH
POOL_THREADS = 2
# This is added to the nice value of the threads. With 20 sign-ins a second on one busy core, the p99 of concurrent
# reads was 290 ms instead of 5,000 ms (`bench/run auth`), and equally many sign-ins were answered.
NICENESS = 10
MAX_NICENESS = 19
# A hash takes 19 ms, and there are two threads. So the last sign-in of a pool waits for half a second if only this pool
# has sign-ins, and for two seconds if the queue is full. A sign-up waits up to three times as long as a sign-in.
SIGN_INS_OF_POOL = 50
SIGN_INS = 200
SIGN_UPS_OF_POOL = 25
SIGN_UPS = 100
# A check of a foreign hash takes up to a second. The queue is short, because a user waits in it only until the first
# right password.
FOREIGN_THREADS = 2
FOREIGN_AT_ONCE = 1  # One pool may use this many threads at the same time.
FOREIGN_OF_POOL = 10
FOREIGN = 40
# These threads have a lower priority than our hashes, because the lanes of an argon2 hash are up to eight threads at
# once.
FOREIGN_NICENESS = 19

_T = TypeVar("_T")

# These are the parameters that OWASP recommends. A hash takes 19 ms.
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
OURS: Final = "$argon2id$"
COSTS: Final = re.compile(r"\$argon2id\$(?:v=[0-9]{1,3}\$)?m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})\$")


class SignInBusy(Problem):
    status, code, title = 503, "sign_in_busy", "Too many sign-ins at once"


class Passwords:
    """Hashes and checks passwords.

    `pool`: the group of accounts to which a password belongs. The number of waiting requests is limited for each pool
    and for all pools together. Above the limit, a request is refused with SignInBusy. Passwords are normalised first
    (NFKC, see NIST SP 800-63B §3.1.1.2), because there are two encodings of é.
    """

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(POOL_THREADS, "argon2", _step_back, (NICENESS,))
        self.turns = HashTurns(
            POOL_THREADS, TurnQueue(SIGN_INS_OF_POOL, SIGN_INS), TurnQueue(SIGN_UPS_OF_POOL, SIGN_UPS)
        )
        self.foreign_threads = ThreadPoolExecutor(FOREIGN_THREADS, "foreign-hash", _step_back, (FOREIGN_NICENESS,))
        self.foreign_turns = HashTurns(
            FOREIGN_THREADS, TurnQueue(FOREIGN_OF_POOL, FOREIGN), TurnQueue(1, 1), FOREIGN_AT_ONCE
        )

    async def hash(self, pool: str, password: str) -> str:
        """Return an encoded argon2id hash. Raises: InvalidInput, SignInBusy."""
        password = _composed(password)
        check_password(password)
        return await self._run(pool, Purpose.SIGN_UP, functools.partial(HASHER.hash, password))

    async def matches(self, pool: str, password: str, hash: str | None) -> bool:
        """True if `password` has this hash. `hash` is None if the account does not exist; then the result is False.

        Both cases take the same time, so that the time does not reveal whether an account exists: without a hash, the
        password is compared with a decoy. Only the hash of another system takes a different time, until the first right
        password replaces it. Raises: SignInBusy.
        """
        if len(composed := _composed(password)) > MAX_LENGTH:
            return False
        if hash is not None and may_be_slow(hash):
            return await self._matches_foreign(pool, password, composed, hash)
        matching = functools.partial(_matches, composed, hash or decoy())
        return await self._run(pool, Purpose.SIGN_IN, matching) and hash is not None

    async def upgraded(self, pool: str, password: str, hash: str) -> str | None:
        """Return a new hash of a password that has just matched `hash`. Return None if `hash` has the parameters of
        today, if too many requests wait, or if passwords of this length are no longer accepted. The sign-in must not
        fail for these reasons; the next sign-in tries again. The hash of another system is replaced at every length,
        because it is often weaker.
        """
        if not needs_upgrade(hash):
            return None
        with suppress(SignInBusy, InvalidInput):
            if not is_foreign(hash):
                return await self.hash(pool, password)
            return await self._run(pool, Purpose.SIGN_UP, functools.partial(HASHER.hash, _composed(password)))
        return None

    async def make_decoy(self) -> None:
        """Hash the decoy at the start. Otherwise the first sign-in would take twice as long."""
        await self._run("", Purpose.SIGN_IN, functools.partial(decoy))

    def close(self) -> None:
        for threads in (self.threads, self.foreign_threads):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, pool: str, purpose: Purpose, work: functools.partial[_T]) -> _T:
        return await _in_turn(self.turns, self.threads, pool, purpose, work)

    async def _matches_foreign(self, pool: str, password: str, composed: str, hash: str) -> bool:
        """First check the password as it was sent, because other systems do not normalise passwords.

        After that, check the form that BunBase would store.

        Each check waits for its own turn. Raises: SignInBusy.
        """
        for tried in dict.fromkeys((password, composed)):
            matching = functools.partial(_matches_foreign, tried, hash)
            if await _in_turn(self.foreign_turns, self.foreign_threads, pool, Purpose.SIGN_IN, matching):
                return True
        return False


@asynccontextmanager
async def open_passwords() -> AsyncIterator[Passwords]:
    """Yield Passwords whose threads end with the block."""
    passwords = Passwords()
    try:
        await passwords.make_decoy()
        yield passwords
    finally:
        passwords.close()


def check_password(password: str) -> None:
    """Check the length of a password (NIST SP 800-63B §3.1.1.2). Raises: InvalidInput."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput.at("/password", f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")


def needs_upgrade(hash: str) -> bool:
    """True if the parameters of the hash are not today's parameters, so that the password must be hashed again at a
    sign-in.
    """
    return not hash.startswith(OURS) or HASHER.check_needs_rehash(hash)


def is_foreign(hash: str) -> bool:
    """True if the hash was not made with argon2id, but by another system."""
    return hash.startswith("$") and not hash.startswith(OURS)


def may_be_slow(hash: str) -> bool:
    """True if a check of the hash may take longer than a check of our hashes, because one of its parameters is above
    ours.
    """
    if not hash.startswith("$"):
        return False  # The text is not a hash, so nothing is computed.
    found, ours = COSTS.match(hash), (HASHER.memory_cost, HASHER.time_cost, HASHER.parallelism)
    return found is None or any(int(its) > our for its, our in zip(found.groups(), ours, strict=True))


@functools.cache
def decoy() -> str:
    return HASHER.hash("nobody has this password")


def _step_back(niceness: int) -> None:
    """Let this thread run after the event loop, which has to answer all other requests meanwhile."""
    if sys.platform == "linux":  # Only Linux has a priority for each thread.
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, min(os.getpriority(os.PRIO_PROCESS, me) + niceness, MAX_NICENESS))


def _composed(password: str) -> str:
    if (
        len(password) > MAX_LENGTH * 4
    ):  # normalising a huge text would block the event loop, and the callers refuse such a text
        return password
    return unicodedata.normalize("NFKC", password)


async def _in_turn(
    turns: HashTurns, threads: ThreadPoolExecutor, pool: str, purpose: Purpose, work: functools.partial[_T]
) -> _T:
    """Run `work` in a thread when it is the pool's turn. Raises: SignInBusy."""
    try:
        await turns.take(pool, purpose)
    except NoRoom:
        raise SignInBusy("Try again in a few seconds.", retry_after_seconds=3) from None
    try:
        hashing = asyncio.get_running_loop().run_in_executor(threads, work)
    except BaseException:
        turns.give_back(pool)
        raise
    # The turn ends with the thread, not with the caller: the thread continues if the caller leaves.
    hashing.add_done_callback(lambda _: turns.give_back(pool))
    return await asyncio.shield(hashing)


def _matches_foreign(password: str, hash: str) -> bool:
    try:
        return read_hash(hash).matches(password)
    except (UnusableHash, ValueError):
        return False


def _matches(password: str, hash: str) -> bool:
    try:
        return HASHER.verify(hash, password)
    except (VerificationError, InvalidHashError, ValueError):  # A ValueError means that the hash is not ASCII.
        return False
