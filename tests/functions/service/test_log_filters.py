from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from bunbase.contracts.functions.logs import ALL_LINES, LogFilter, LogLevel
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.functions.logs.followers import MAX_OF_PROJECT
from bunbase.functions.service import FunctionsService
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import InvalidInput, RateLimited
from tests.functions.calls import DEADLINE_SECONDS, MEMBER, deploy, returning
from tests.functions.logs.log_lines import NOON, line
from tests.rooms import member_caller

SAID = (
    line("debug one", 0, level=LogLevel.DEBUG, invocation="inv_a"),
    line("Order 50% paid", 1, invocation="inv_a"),
    line("slow", 2, level=LogLevel.WARN, version=2),
    line("failed", 3, level=LogLevel.ERROR, version=2, invocation="inv_b"),
    line("elsewhere", 4, function="g"),
)


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


@pytest.fixture
async def said(functions: FunctionsService) -> FunctionsService:
    for name in ("f", "g"):
        await deploy(functions, name, returning("x"))
    await functions.stores.logs.add(SAID)
    return functions


@pytest.mark.parametrize(
    ("which", "texts"),
    [
        ({}, ["failed", "slow", "Order 50% paid", "debug one"]),
        ({"level": LogLevel.WARN}, ["failed", "slow"]),
        ({"level": LogLevel.ERROR}, ["failed"]),
        ({"text": "ORDER 50% P"}, ["Order 50% paid"]),
        ({"text": "50_"}, []),
        ({"text": "\0"}, []),
        ({"invocation": "inv_a"}, ["Order 50% paid", "debug one"]),
        ({"invocation": "\0"}, []),
        ({"version": 2}, ["failed", "slow"]),
        ({"since": NOON + timedelta(minutes=2)}, ["failed", "slow"]),
        ({"until": NOON + timedelta(minutes=2)}, ["Order 50% paid", "debug one"]),
        ({"since": NOON + timedelta(minutes=1), "level": LogLevel.WARN, "text": "s"}, ["slow"]),
    ],
)
async def test_only_log_lines_that_match_the_filter_are_returned(
    said: FunctionsService, which: dict[str, Any], texts: list[str]
) -> None:
    page = await said.logs(MEMBER, "f", 20, None, LogFilter(**which))

    assert [one.text for one in page.items] == texts


async def test_the_log_of_a_project_holds_the_lines_of_all_its_functions(said: FunctionsService) -> None:
    first = await said.logs(MEMBER, None, 2, None)
    second = await said.logs(MEMBER, None, 20, first.next)

    assert [(one.function, one.text) for one in first.items] == [("g", "elsewhere"), ("f", "failed")]
    assert [one.text for one in second.items] == ["slow", "Order 50% paid", "debug one"]
    assert (await said.logs(member_caller("prj_two"), None, 20, None)).items == ()


async def test_a_cursor_is_refused_with_another_filter(said: FunctionsService) -> None:
    first = await said.logs(MEMBER, "f", 1, None, LogFilter(level=LogLevel.WARN))

    second = await said.logs(MEMBER, "f", 1, first.next, LogFilter(level=LogLevel.WARN))

    assert [one.text for one in second.items] == ["slow"]
    with pytest.raises(InvalidCursor):
        await said.logs(MEMBER, "f", 1, first.next, LogFilter(level=LogLevel.ERROR))
    with pytest.raises(InvalidCursor):
        await said.logs(MEMBER, None, 1, first.next, LogFilter(level=LogLevel.WARN))


@pytest.mark.parametrize("time", [datetime(2026, 5, 10, 12), NOON.replace(year=1), NOON.replace(year=9999)])
async def test_a_log_filter_is_refused_if_its_time_has_no_zone_or_is_out_of_range(
    said: FunctionsService, time: datetime
) -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        await said.logs(MEMBER, "f", 20, None, LogFilter(since=time))
    with pytest.raises(InvalidInput, match="time zone"):
        await said.logs(MEMBER, "f", 20, None, LogFilter(until=time))


async def test_a_follower_gets_only_lines_that_match_its_filter(said: FunctionsService) -> None:
    lines = said.follow_logs(MEMBER, None, 0, LogFilter(level=LogLevel.WARN))
    texts: list[str] = []

    async with asyncio.timeout(DEADLINE_SECONDS):
        while "late" not in texts:
            found = await anext(lines)
            texts += [found.text] if found else []
            if texts == ["slow", "failed"]:
                await said.stores.logs.add([line("passed over", 5), line("late", 6, level=LogLevel.WARN)])

    assert texts == ["slow", "failed", "late"]


async def test_the_log_of_a_missing_function_is_not_found(said: FunctionsService) -> None:
    with pytest.raises(FunctionNotFound):
        await said.logs(MEMBER, "nothing", 20, None, ALL_LINES)
    with pytest.raises(FunctionNotFound):
        await anext(said.follow_logs(MEMBER, "nothing", None, ALL_LINES))


async def test_the_number_of_followers_of_a_project_is_bounded(said: FunctionsService) -> None:
    following = [said.follow_logs(MEMBER, None, 0) for _ in range(MAX_OF_PROJECT)]
    for one in following:
        assert await anext(one) is None

    with pytest.raises(RateLimited):
        await anext(said.follow_logs(MEMBER, None, 0))

    assert await anext(said.follow_logs(member_caller("prj_two"), None, 0)) is None
