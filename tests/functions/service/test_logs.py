from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bunbase.contracts.caller import Role
from bunbase.contracts.functions.logs import LogLine
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.limits import LINE_OVERHEAD_BYTES, MAX_CALL_LOG_BYTES, MAX_LINE_BYTES
from bunbase.pkg.errors import Forbidden
from tests.functions.calls import DEADLINE_SECONDS, MEMBER, PROJECT, SERVER, call, deploy, log_of, request
from tests.rooms import member_caller


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(max_log_lines_per_project=100)


async def test_everything_that_a_function_prints_is_logged_with_its_level(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """(req, ctx) => {
            console.debug("d"); console.log("%s is %d", "x", 1, { a: [1] }); console.warn("w"); console.error("e");
            console.assert(false, "broken"); ctx.log.warn("through ctx"); process.stdout.write("raw\\n");
            console.log("nul \\0 and half a pair \\ud800");
        }""",
    )

    answer = await call(functions, "f")

    lines = await log_of(functions, "f")
    assert [(line.level, line.text) for line in lines] == [
        ("debug", "d"),
        ("info", "x is 1 { a: [ 1 ] }"),
        ("warn", "w"),
        ("error", "e"),
        ("error", "Assertion failed: broken"),
        ("warn", "through ctx"),
        ("info", "raw"),
        ("info", "nul \ufffd and half a pair \ufffd"),
    ]
    assert {(line.function, line.version, line.invocation) for line in lines} == {("f", 1, answer.head.invocation)}


async def test_log_lines_belong_to_the_call_that_printed_them(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """async (req, ctx) => {
            const mine = new URL(req.url).pathname;
            for (let i = 0; i < 5; i++) { console.log(mine); await Bun.sleep(Math.random() * 5) }
            setTimeout(() => console.log("late"), 20);
        }""",
        concurrency=20,
    )
    await call(functions, "f", request("/warm"))

    answers = await asyncio.gather(*(call(functions, "f", request(f"/{number}")) for number in range(20)))

    for number, answer in enumerate(answers):
        lines = await log_of(functions, "f", answer.head.invocation)
        assert [line.text for line in lines if line.text != "late"] == [f"/{number}"] * 5


async def test_long_lines_and_long_logs_of_one_call_are_cut_and_marked(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """(req) => {
            if (req.url.endsWith("/line")) return console.log("é".repeat(10_000));
            for (let i = 0; i < 100_000; i++) console.log("");
        }""",
    )

    line = await call(functions, "f", request("/line"))
    story = await call(functions, "f", request("/story"))

    [cut] = await log_of(functions, "f", line.head.invocation)
    assert (len(cut.text.encode()), cut.truncated) == (MAX_LINE_BYTES, True)
    lines = await log_of(functions, "f", story.head.invocation)
    assert len(lines) == 500
    assert lines[-1].truncated
    assert "was dropped" in lines[-1].text
    assert lines[-1].seq - cut.seq <= MAX_CALL_LOG_BYTES / LINE_OVERHEAD_BYTES + 1


async def test_log_lines_are_listed_newest_first_in_pages(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => { for (let i = 0; i < 5; i++) console.log(i) }")
    await call(functions, "f")

    first = await functions.logs(MEMBER, "f", 3, None, None)
    second = await functions.logs(MEMBER, "f", 3, first.next, None)

    assert [line.text for line in first.items] == ["4", "3", "2"]
    assert [line.text for line in second.items] == ["1", "0"]
    assert second.next is None


async def some(lines: AsyncIterator[LogLine | None], count: int) -> list[LogLine]:
    """Return the next `count` lines. Skip None, which means that there are no new lines."""
    found: list[LogLine] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(found) < count:
            line = await anext(lines)
            found += [line] if line is not None else []
    return found


async def test_a_follower_of_a_log_misses_no_line_and_can_reconnect(functions: FunctionsService) -> None:
    await deploy(functions, "f", "(req) => { for (let i = 0; i < 50; i++) console.log(new URL(req.url).pathname, i) }")
    await call(functions, "f", request("/before"))
    await log_of(functions, "f")

    lines = functions.follow_logs(MEMBER, "f", None)
    assert await anext(lines) is None
    await asyncio.gather(*(call(functions, "f", request("/during")) for _ in range(4)))
    seen = await some(lines, 60)
    resumed = await some(functions.follow_logs(MEMBER, "f", seen[-1].seq), 140)

    assert len({line.seq for line in (*seen, *resumed)}) == 200
    assert all(line.text.startswith("/during") for line in (*seen, *resumed))
    assert [line.seq for line in resumed] == sorted(line.seq for line in resumed)


async def test_a_follower_receives_none_if_there_are_no_new_lines(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => 1")
    lines = functions.follow_logs(MEMBER, "f", None)

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert [await anext(lines), await anext(lines)] == [None, None]


async def test_viewers_may_read_logs_and_project_keys_may_not(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => console.log('x')")
    await call(functions, "f")

    assert len((await functions.logs(member_caller(PROJECT, Role.VIEWER), "f", 20, None, None)).items) == 1
    with pytest.raises(Forbidden):
        await functions.logs(SERVER, "f", 20, None, None)
    with pytest.raises(Forbidden):
        await anext(functions.follow_logs(SERVER, "f", None))


async def test_the_oldest_log_lines_are_deleted_beyond_the_limit(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => { for (let i = 0; i < 150; i++) console.log(i) }")
    await call(functions, "f")
    await log_of(functions, "f")

    await functions.log_retention.thin_out()

    assert [line.text for line in await log_of(functions, "f")] == [str(number) for number in range(50, 150)]
