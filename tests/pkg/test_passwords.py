from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from bunbase.pkg import passwords as passwords_module
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.passwords import MAX_LENGTH, Passwords, SignInBusy, open_passwords


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    async with open_passwords() as opened:
        yield opened


async def test_only_the_password_matches_its_hash(passwords: Passwords) -> None:
    hash = await passwords.hash("correct horse")

    assert hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches("correct horse", hash)
    assert not await passwords.matches("incorrect horse", hash)


async def test_two_ways_to_write_a_letter_are_one_password(passwords: Passwords) -> None:
    hash = await passwords.hash("cafe\u0301-au-lait")

    assert await passwords.matches("caf\u00e9-au-lait", hash)


async def test_without_an_account_as_much_is_hashed_and_nothing_matches(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def matches(_password: str, hash: str) -> bool:
        checked.append(hash)
        return True

    monkeypatch.setattr(passwords_module, "_matches", matches)

    assert not await passwords.matches("nobody has this password", None)

    assert checked == [passwords_module.decoy()]


async def test_even_the_decoys_own_password_opens_nothing(passwords: Passwords) -> None:
    assert not await passwords.matches("nobody has this password", None)


@pytest.mark.parametrize("password", ["short", "", "x" * (MAX_LENGTH + 1)])
async def test_a_password_too_short_or_too_long_is_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await passwords.hash(password)

    assert refused.value.extra["errors"][0]["path"] == "/password"


async def test_a_huge_password_is_not_even_hashed(passwords: Passwords) -> None:
    assert not await passwords.matches("x" * 10_000_000, "no hash at all")


async def test_a_broken_hash_matches_nothing(passwords: Passwords) -> None:
    assert not await passwords.matches("correct horse", "not a hash")


async def test_a_storm_is_refused_and_passes(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords_module, "QUEUE_LIMIT", 3)
    released = threading.Event()
    monkeypatch.setattr(passwords_module, "_matches", lambda *_: released.wait(10))
    waiting = [asyncio.ensure_future(passwords.matches("a password", "a hash")) for _ in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(SignInBusy) as refused:
        await passwords.matches("a password", "a hash")
    released.set()
    await asyncio.gather(*waiting)

    assert refused.value.headers() == {"retry-after": "3"}
    assert await passwords.matches("a password", "a hash")
