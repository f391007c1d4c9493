from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg import metrics
from bunbase.pkg.common_passwords import COMMON
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.password_rules import BreachedFile, BreachedServer, PasswordRules, WeakPassword, open_breached
from tests.seeds import examples

EMAIL = "ada.lovelace@example.com"


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def written(path: Path, hashes: list[str], ending: str = "\r\n") -> Path:
    path.write_bytes("".join(f"{one}:{n + 1}{ending}" for n, one in enumerate(sorted(hashes))).encode())
    return path


@pytest.mark.parametrize(
    "password",
    [
        "ada.lovelace@example.com",
        "ADA.Lovelace",
        "ada.lovelace1815",
        "The Product",
        "\uff34he Product",
        "The Product1",
        "aaaaaaaa",
        "12345678",
        "Qwertyui",
        "password",
        "Password1",
        "PASSWORD2026!",
        "P@ssw0rd",
        "iloveyou",
        " letmein99 ",
    ],
)
async def test_passwords_that_attackers_try_first_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        await PasswordRules("the product", None).check(password, EMAIL)
    assert refused.value.extra["errors"][0]["path"] == "/password"


async def test_another_password_is_accepted() -> None:
    for password in ("correct horse battery", "password of my first cat", "dragon837162", "a password"):
        await PasswordRules("the product", None).check(password, EMAIL)


def test_the_built_in_list_is_small_and_in_small_letters() -> None:
    assert len(COMMON) <= 200
    assert {one.casefold() for one in COMMON} == COMMON


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
async def test_every_password_of_the_file_is_found_and_no_other(tmp_path: Path, ending: str) -> None:
    listed = [f"breached {n}" for n in range(400)]
    breached = BreachedFile(str(written(tmp_path / "list", [sha1(one) for one in listed], ending)))

    found = [await breached.contains(sha1(one)) for one in listed]
    others = [await breached.contains(sha1(f"fresh {n}")) for n in range(400)]

    assert (all(found), any(others)) == (True, False)
    await breached.close()


@settings(max_examples=examples(60))
@given(st.sets(st.integers(0, (1 << 160) - 1), min_size=1, max_size=40), st.integers(0, (1 << 160) - 1))
def test_bisection_agrees_with_a_plain_search(
    tmp_path_factory: pytest.TempPathFactory, listed: set[int], other: int
) -> None:
    hashes = [f"{one:040X}" for one in listed]
    breached = BreachedFile(str(written(tmp_path_factory.getbasetemp() / "list", hashes)))

    answers = [breached._contains(one.encode()) for one in (*hashes, f"{other:040X}")]

    assert answers == [True] * len(hashes) + [other in listed]
    asyncio.run(breached.close())


async def test_a_file_much_larger_than_memory_is_searched_with_few_reads(tmp_path: Path) -> None:
    """The file is sparse: its middle of 40 GB has no lines, and is never read as a whole."""
    file = written(tmp_path / "list", [sha1("breached")])
    with file.open("r+b") as opened:
        opened.truncate(40 << 30)
        opened.seek(40 << 30)
        opened.write(b"\n" + b"F" * 40 + b":1\n")
    breached = BreachedFile(str(file))

    assert await breached.contains(sha1("breached"))
    assert not await breached.contains(sha1("fresh"))
    await breached.close()


@pytest.mark.parametrize("content", [b"", b"password\n123456\n", b"F" * 40 + b":1\n" + b"0" * 40 + b":1\n"])
def test_a_file_that_is_no_sorted_list_of_hashes_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)

    with pytest.raises(CannotStart, match="sorted list of SHA-1"):
        open_breached(str(tmp_path / "list"), "")


def test_a_missing_file_a_wrong_url_or_both_settings_stop_the_start(tmp_path: Path) -> None:
    for file, url in ((str(tmp_path / "none"), ""), ("", "ftp://example.com"), ("x", "https://example.com")):
        with pytest.raises(CannotStart):
            open_breached(file, url)


class RangeServer:
    """A server with the range API of haveibeenpwned. `seen` has the paths of the requests."""

    def __init__(self, listed: str, answers: bool = True) -> None:
        self.listed = sha1(listed)
        self.answers = answers
        self.seen: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.seen.append(head.split()[1])
        if not self.answers:
            await reader.read()
            writer.close()
            return
        padding = sha1("padding")[5:]
        body = f"{padding}:0\r\n{self.listed[5:]}:3\r\n".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def ranges() -> AsyncIterator[tuple[RangeServer, str]]:
    server = RangeServer("breached password")
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        yield server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/range/"


async def test_the_server_gets_only_five_digits_of_the_hash(ranges: tuple[RangeServer, str]) -> None:
    server, url = ranges
    breached = BreachedServer(url)

    assert await breached.contains(sha1("breached password"))
    assert not await breached.contains(sha1("fresh"))
    assert not await breached.contains(sha1("padding"))
    assert server.seen[0] == f"/range/{sha1('breached password')[:5]}"
    await breached.close()


async def test_a_server_that_does_not_answer_in_time_closes_no_sign_ups(ranges: tuple[RangeServer, str]) -> None:
    server, url = ranges
    server.answers = False
    breached = BreachedServer(url, deadline_seconds=0.05)
    failed = metrics.breached_checks.labels("failed")
    before = failed._value.get()

    await PasswordRules("the product", breached).check("breached password", EMAIL)

    assert failed._value.get() == before + 1
    await breached.close()
