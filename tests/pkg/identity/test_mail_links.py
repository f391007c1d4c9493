from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput, Unreachable
from bunbase.pkg.identity.mail_requests import answer_requests, request_mail, unprepared
from bunbase.pkg.identity.problems import LinkExpired
from bunbase.pkg.identity.store import mail_tokens
from bunbase.pkg.identity.store.mail_tokens import MailRequest
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.project_turns import Turn
from tests.pkg.identity.pools import Pool, two_pools

ADA, OLD, NEW = "usr_ada", "ada@example.com", "ada@example.org"
RESET = "password_reset"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def pools(database_url: str, clock: ManualClock) -> AsyncIterator[tuple[Pool, Pool]]:
    async with two_pools(database_url, clock) as (a, b):
        for pool in (a, b):
            await pool.holders.add(ADA, OLD)
        yield a, b


async def token_of(pool: Pool, to: str, kind: str) -> str:
    """Return the token of the newest mail of a kind."""
    newest = "SELECT plain FROM mails WHERE recipient = $1 AND kind = $2 ORDER BY id DESC LIMIT 1"
    found = re.search(r"mt_\w+", await pool.db.value(newest, to, kind))
    assert found is not None
    return found[0]


async def posted(pool: Pool) -> str:
    tokens: list[str] = []

    def letter(token: str) -> Letter:
        tokens.append(token)
        return pool.checks.letters.password_reset(OLD, f"https://app.example/reset?token={token}")

    await pool.links.post(RESET, OLD, ADA, 3600, letter)
    return tokens[0]


async def test_a_link_works_once_in_its_pool_for_its_act_and_its_time(
    pools: tuple[Pool, Pool], clock: ManualClock
) -> None:
    a, b = pools
    token = await posted(a)

    assert await b.links.take(token, RESET) is None
    assert await a.links.take(token, "verify_email") is None
    both = await asyncio.gather(a.links.take(token, RESET), a.links.take(token, RESET))

    assert [one.user_id for one in both if one is not None] == [ADA]
    late = await posted(a)
    clock.advance(3600)
    assert await a.links.find(late, RESET) is None


async def test_a_stranger_who_asks_for_many_mails_ends_no_link_of_the_owner(
    pools: tuple[Pool, Pool], clock: ManualClock
) -> None:
    pool, sent = pools[0], list[str]()

    def letter(token: str) -> Letter:
        sent.append(token)
        return pool.checks.letters.password_reset(NEW, f"https://app.example/in?token={token}")

    for _ in range(30):
        await posted(pool)
        await pool.links.post_only("sign_in", NEW, 600, letter)
    clock.advance(599)
    await pool.links.post_only("sign_in", NEW, 600, letter)
    clock.advance(599)

    mailed = "SELECT count(*) FROM mails WHERE recipient = $1"
    stored = "SELECT count(*) FROM mail_tokens WHERE email = $1"
    reset, sign_in = [await pool.db.value(mailed, to) for to in (OLD, NEW)]
    assert reset < 30
    assert [await pool.db.value(stored, to) for to in (OLD, NEW)] == [reset, 1], "dropped mails leave no link"
    newest = await pool.links.find(sent[sign_in - 1], "sign_in")
    assert newest is not None, "the link of the newest mail is valid for longer"


async def test_requests_of_all_pools_are_answered_with_one_mail_for_each_address(
    pools: tuple[Pool, Pool], clock: ManualClock
) -> None:
    (a, b), turn = pools, Turn()
    answered: list[MailRequest] = []

    async def answer(asked: MailRequest) -> None:
        answered.append(asked)

    for pool in (a, b, a):
        assert await request_mail(pool.stores, RESET, " Ada@Example.com", clock)
        clock.advance(1)
    assert not await request_mail(a.stores, RESET, "no address", clock)
    await answer_requests(a.stores, unprepared(answer), clock, turn)
    await answer_requests(a.stores, unprepared(answer), clock, turn)

    assert answered == [MailRequest("a", RESET, OLD, "", ""), MailRequest("b", RESET, OLD, "", "")]


async def test_a_request_that_cannot_be_answered_delays_no_other_request(
    pools: tuple[Pool, Pool], clock: ManualClock
) -> None:
    (a, b), turn = pools, Turn()
    answered: list[str] = []

    async def answer(asked: MailRequest) -> None:
        answered.append(asked.email)
        if asked.email == "broken@example.com":
            raise IndexError(asked.email)
        if asked.project == "a":
            raise Unreachable("the keys of the project cannot be read")

    for pool, email in ((a, OLD), (b, "broken@example.com"), (b, OLD)):
        assert await request_mail(pool.stores, RESET, email, clock)
        clock.advance(1)
    with capture_logs() as logs:
        await answer_requests(a.stores, unprepared(answer), clock, turn)
        clock.advance(61)
        await answer_requests(a.stores, unprepared(answer), clock, turn)

    assert answered == [OLD, "broken@example.com", OLD, OLD]
    assert "@" not in repr(logs)


async def test_many_requests_of_one_pool_delay_another_pool_by_one_and_have_an_end(
    pools: tuple[Pool, Pool], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (a, b), turn = pools, Turn()
    monkeypatch.setattr(mail_tokens, "MAX_REQUESTS", 30)
    answered: list[str] = []

    async def answer(asked: MailRequest) -> None:
        answered.append(asked.project)

    stored = [await request_mail(a.stores, RESET, f"ada{number}@example.com", clock) for number in range(40)]
    clock.advance(1)
    assert await request_mail(b.stores, RESET, OLD, clock)
    await answer_requests(a.stores, unprepared(answer), clock, turn)

    assert stored == [True] * 30 + [False] * 10
    assert (len(answered), answered.index("b")) == (31, 1)


async def test_a_change_of_the_address_needs_both_addresses(pools: tuple[Pool, Pool]) -> None:
    a, b = pools
    await b.email_changes.start(ADA, NEW)
    await a.email_changes.start(ADA, NEW)
    by_old, by_new = await token_of(a, OLD, "email_change_requested"), await token_of(a, NEW, "confirm_new_email")

    with pytest.raises(LinkExpired):
        await b.email_changes.confirm(by_new)
    assert await a.email_changes.confirm(by_new) == "pending"
    with pytest.raises(LinkExpired):
        await a.email_changes.confirm(by_new)
    assert await a.email_changes.confirm(by_old) == "changed"

    assert await a.db.value("SELECT array_agg(project || ' ' || email ORDER BY project) FROM accounts") == [
        f"a {NEW}",
        f"b {OLD}",
    ]
    with pytest.raises(InvalidInput):
        await a.email_changes.start(ADA, NEW)
