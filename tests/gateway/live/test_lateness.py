"""Only the connection with expensive queries is late, with all its queries. All its results show one state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import pytest

from bunbase.contracts.bundoc.live import Barrier, RulesTooSlow
from bunbase.contracts.bundoc.problems import BundocBusy
from bunbase.gateway.live import lateness
from bunbase.gateway.live.blocked import Blocked
from bunbase.gateway.live.outlet import Packed
from bunbase.gateway.live.session import FLUSH_BYTES, Session
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem, Unreachable
from tests.gateway.live.others import PROJECT, Client, Hall, hall, until


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateness, "LEAST_PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(lateness, "MOST_PAUSE_SECONDS", 0.005)


@contextlib.asynccontextmanager
async def two(**settings: Any) -> AsyncIterator[tuple[Hall, Client, Client]]:
    """Yield a setup with one client that will be late, and one other client."""
    async with hall(**settings) as opened:
        late = await (await opened.client("dear")).watching()
        yield opened, late, await (await opened.client("bob")).watching()


def number_of(opened: Hall, token: str) -> int:
    return next(
        number for number, (caller, _) in opened.bundoc.watched.items() if caller.user and caller.user.uid == token
    )


def apart(session: Session) -> bool:
    late = lateness.late_of(session)
    return late is not None and late.apart


def reached(client: Client, text: str) -> bool:
    """True if the client has received the text at the same time as all other clients."""
    return text in client.texts and client.session.late is None


async def test_a_late_connection_gets_its_results_apart_and_the_others_their_barrier() -> None:
    async with two() as (opened, late, bob):
        opened.bundoc.may_find.clear()
        opened.bundoc.write("one", barrier=False)
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: bob.outlet.all("at")[-1]["at"] == "e1.2")
        await until(lambda: opened.bundoc.apart)
        assert late.outlet.all("at")[-1]["at"] == "e1.1"

        opened.bundoc.write("two")
        await until(lambda: bob.outlet.all("at")[-1]["at"] == "e1.3")
        assert late.outlet.all("at")[-1]["at"] == "e1.1"
        opened.bundoc.may_find.set()

        await until(lambda: late.outlet.all("at")[-1]["at"] == "e1.3")
        told = [message for message in late.outlet.sent if message["t"] in ("now", "diff", "at")]
        assert "one" in str(told)
        assert [(one["t"], one["at"]) for one in told[-4:]] == [
            ("now", "e1.2"),
            ("at", "e1.2"),
            ("now", "e1.3"),
            ("at", "e1.3"),
        ]
        assert {one["g"] for one in told if one["t"] == "now"} == {"g1", "late"}
        assert late.outlet.all("end") == bob.outlet.all("end") == []


async def test_a_connection_is_late_as_a_whole() -> None:
    async with two() as (opened, late, _):
        await late.watching(2)
        await until(lambda: len(opened.bundoc.watched) == 3)
        opened.bundoc.may_find.clear()

        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        opened.bundoc.write("for both")
        await opened.settled()

        assert opened.bundoc.apart == [2]
        assert "for both" not in late.texts
        opened.bundoc.may_find.set()
        await until(lambda: late.texts.count("for both") == 2)
        assert [one["t"] for one in late.outlet.sent[-3:]] == ["now", "now", "at"]


async def test_a_query_that_begins_on_a_late_connection_comes_with_the_others() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.may_find.clear()
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        asked = opened.bundoc.asked
        late.send(t="watch", id=2, query={"collection": "posts"})
        opened.bundoc.write("new")
        opened.bundoc.may_find.set()

        await until(lambda: 2 in opened.bundoc.apart and late.outlet.all("at")[-1]["at"] == "e1.2")

        assert opened.bundoc.asked == asked
        assert late.outlet.all("at")[-2]["at"] == "e1.1", "the first results lacked the new query"


async def test_queries_that_are_cheap_again_are_watched_again() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.dear = False
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: len(opened.bundoc.watched) == 2)

        opened.bundoc.write("live again")
        await until(lambda: "live again" in late.texts)

        assert opened.bundoc.apart == [1]
        assert [message["t"] for message in late.outlet.sent[-2:]] == ["diff", "at"]


async def test_dear_queries_are_watched_again_when_nothing_changes() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.fall_behind(number_of(opened, "dear"))

        await until(lambda: len(opened.bundoc.watched) == 2)

        assert opened.bundoc.apart == [1, 1]
        assert not apart(late.session)


async def test_a_connection_that_falls_behind_again_stays_apart_for_longer() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.dear = False
        for _ in range(3):
            opened.bundoc.fall_behind(number_of(opened, "dear"))
            await until(lambda: len(opened.bundoc.watched) == 2)
            await until(lambda: not late.session.missed)

        assert len(opened.bundoc.apart) == 1 + 2 + 4


async def test_a_connection_that_was_punctual_for_long_is_late_for_the_first_time_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lateness, "CALM_SECONDS", -1.0)
    async with two() as (opened, late, _):
        opened.bundoc.dear = False
        for text in ("one", "two"):
            opened.bundoc.fall_behind(number_of(opened, "dear"))
            await until(lambda: len(opened.bundoc.watched) == 2)
            opened.bundoc.write(text)
            await until(partial(reached, late, text))

        assert opened.bundoc.apart == [1, 1]


async def test_queries_that_were_only_too_many_at_once_are_watched_again_at_once() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.fall_behind(number_of(opened, "dear"), dear=False)
        await until(lambda: len(opened.bundoc.watched) == 2)
        opened.bundoc.write("soon")
        await until(lambda: "soon" in late.texts)
        assert opened.bundoc.apart == []

        opened.bundoc.may_find.clear()
        opened.bundoc.fall_behind(number_of(opened, "dear"), dear=False)
        await until(lambda: opened.bundoc.apart)

        assert apart(late.session)


async def test_a_barrier_that_is_older_than_the_late_results_is_not_told() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.dear = False
        opened.bundoc.seq = 7  # The snapshot is newer than the last round.
        opened.bundoc.may_find.clear()
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        opened.bundoc.seq = 5
        opened.bundoc.may_find.set()
        await until(lambda: len(opened.bundoc.watched) == 2)
        await until(lambda: not late.session.missed)
        await until(lambda: opened.server.queries.watches.standings[PROJECT].seq == 5)

        opened.bundoc.send(Barrier(PROJECT, "e1", 8))
        await until(lambda: late.outlet.all("at")[-1]["at"] == "e1.8")

        assert [one["at"] for one in late.outlet.all("at")] == ["e1.1", "e1.7", "e1.8"]


async def test_late_results_that_are_never_found_end_the_queries() -> None:
    async with two(late_seconds=1) as (opened, late, bob):
        opened.bundoc.may_find.clear()
        opened.bundoc.fall_behind(number_of(opened, "dear"))

        await until(lambda: late.outlet.all("end"))

        assert late.outlet.all("end")[0]["problem"]["code"] == "too_many_live_queries"
        await until(lambda: late.session.late is None)
        assert (late.session.watches, late.outlet.closed) == ({}, None)
        assert bob.outlet.all("end") == []


async def test_a_query_that_begins_after_late_results_were_not_found_gets_its_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with two(late_seconds=1) as (opened, late, _):
        opened.bundoc.may_find.clear()
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        monkeypatch.setattr(lateness, "LEAST_PAUSE_SECONDS", 0.2)
        monkeypatch.setattr(lateness, "MOST_PAUSE_SECONDS", 0.2)
        await until(lambda: late.outlet.all("end"))
        opened.bundoc.may_find.set()
        opened.bundoc.docs = b'{"_id":"d","text":"found again"}'
        late.send(t="watch", id=2, query={"collection": "posts"})

        await until(lambda: "found again" in late.texts or late.outlet.all("error"))

        assert late.outlet.all("error") == []


@pytest.mark.parametrize("passing", [Unreachable("away"), BundocBusy("busy", retry_after_seconds=1)])
async def test_late_results_are_asked_for_again_after_a_problem_that_passes(passing: Problem) -> None:
    async with two() as (opened, late, _):
        opened.bundoc.refuses = passing
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: len(opened.bundoc.apart) >= 3)
        assert late.outlet.all("end") == []

        opened.bundoc.refuses = None

        await until(lambda: any(one["g"] == "late" for one in late.outlet.all("now")))


async def test_a_query_that_fails_ends_and_the_others_go_on() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.problem = RulesTooSlow()
        opened.bundoc.fall_behind(number_of(opened, "dear"))

        await until(lambda: late.outlet.all("end"))

        assert late.outlet.all("end")[0]["problem"]["code"] == "rules_too_slow"
        await until(lambda: late.session.late is None)


async def test_a_late_connection_that_reads_slowly_gets_nothing_until_it_reads_again() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.may_find.clear()
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        late.session.read_slowly()
        opened.bundoc.may_find.set()
        await opened.settled()
        assert not any(one["g"] == "late" for one in late.outlet.all("now"))

        opened.bundoc.write("read again")
        late.session.read_again()

        await until(lambda: "read again" in late.texts)
        await until(lambda: late.outlet.all("at")[-1]["at"] == "e1.2")


async def test_late_results_that_fill_the_buffer_are_sent_whole_and_their_state_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with two() as (opened, late, _):
        await late.watching(2)
        await until(lambda: len(opened.bundoc.watched) == 3)
        opened.bundoc.may_find.clear()
        opened.bundoc.docs = b'{"_id":"d","text":"%b"}' % (b"x" * (100 << 10))
        opened.bundoc.seq = 7
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        fill_in_send(monkeypatch, late)
        opened.bundoc.may_find.set()

        await until(lambda: late.outlet.all("at")[-1]["at"] == "e1.7")

        kinds = [message["t"] for message in late.outlet.sent[late.outlet.sent.index(first_late(late)) :]]
        assert kinds[:3] == ["now", "now", "at"]
        assert opened.server.slow[late.session] == late.outlet.waiting_bytes == opened.server.slow_bytes


async def test_late_results_end_amid_a_snapshot_if_the_sign_in_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two() as (opened, late, _):
        await late.watching(2)
        await until(lambda: len(opened.bundoc.watched) == 3)
        opened.bundoc.may_find.clear()
        opened.bundoc.docs = b'{"_id":"d","text":"%b"}' % (b"x" * (100 << 10))
        opened.bundoc.seq = 7
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        fill_in_send(monkeypatch, late, then=late.session.expire)
        opened.bundoc.may_find.set()
        await until(lambda: any(one["g"] == "late" for one in late.outlet.all("now")))
        await opened.settled()

        assert [one["g"] for one in late.outlet.all("now")].count("late") == 1
        assert late.outlet.all("at")[-1]["at"] == "e1.1"


def fill_in_send(monkeypatch: pytest.MonkeyPatch, client: Client, then: Callable[[], None] = lambda: None) -> None:
    """Let the client be behind after one message of more than 64 KiB, as a real socket with a full buffer is."""
    send = client.outlet.send

    def filling(messages: Sequence[bytes], packed: Packed | None = None) -> int:
        sent = send(messages, packed)
        if sent > FLUSH_BYTES:
            client.outlet.waiting_bytes += sent
            if not client.session.blocked & Blocked.READER:
                client.session.read_slowly()
            then()
        return sent

    monkeypatch.setattr(client.outlet, "send", filling)


def first_late(client: Client) -> dict[str, Any]:
    return next(one for one in client.outlet.all("now") if one["g"] == "late")


async def test_late_results_of_an_earlier_caller_are_not_sent() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.may_find.clear()
        opened.bundoc.docs = b'{"_id":"d","text":"for the role user"}'
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        opened.signing.role = "editor"
        late.send(t="auth", key="pk_x", token="dear")
        await until(lambda: len(late.outlet.all("hello")) == 2)
        opened.bundoc.docs = b'{"_id":"d","text":"for an editor"}'
        opened.bundoc.may_find.set()

        await until(lambda: "for an editor" in late.texts)

        assert "for the role user" not in late.texts


async def test_a_sync_of_a_late_connection_is_answered_with_its_own_barrier() -> None:
    async with two() as (opened, late, bob):
        opened.bundoc.may_find.clear()
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        opened.bundoc.write("own")
        late.send(t="sync", id=9, at="e1.2")
        await until(lambda: "own" in bob.texts)
        assert late.outlet.all("ok") == []

        opened.bundoc.may_find.set()

        await until(lambda: late.outlet.all("ok"))
        assert [message["t"] for message in late.outlet.sent[-3:]] == ["now", "at", "ok"]


async def test_a_broken_stream_costs_a_late_connection_no_change() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.may_find.clear()
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        opened.bundoc.break_off()
        opened.bundoc.docs = b'{"_id":"d","text":"while it was broken"}'
        opened.bundoc.may_find.set()

        await until(lambda: "while it was broken" in late.texts)


async def test_a_late_connection_that_ends_leaves_nothing() -> None:
    async with two() as (opened, late, _):
        opened.bundoc.may_find.clear()
        gauge = metrics.live_late._value.get()
        opened.bundoc.fall_behind(number_of(opened, "dear"))
        await until(lambda: opened.bundoc.apart)
        assert metrics.live_late._value.get() == gauge + 1

        opened.server.end(late.session)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        queries = opened.server.queries
        assert metrics.live_late._value.get() == gauge
        assert late.session.late is None
        assert not queries.late.asking.by_project
        assert len(queries.watches.by_number) == 1
