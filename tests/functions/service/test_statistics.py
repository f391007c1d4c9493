from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.contracts.caller import Role
from bunbase.contracts.functions.problems import FunctionError, FunctionNotFound, FunctionOverloaded
from bunbase.functions.service import FunctionsService
from bunbase.functions.usage import meter
from bunbase.functions.usage.durations import BUCKETS, bucket_of, percentile_ms, upper_seconds
from bunbase.pkg import metrics
from bunbase.pkg.clock import ManualClock, SystemClock
from bunbase.pkg.errors import Forbidden, Unreachable
from bunbase.pkg.usage.batches import Amount, Batch, hour_of
from bunbase.pkg.usage.dimensions import Dimension
from tests.functions.calls import MEMBER, SERVER, call, deploy, request
from tests.rooms import member_caller

HALF = "(req) => { if (req.url.endsWith('/no')) throw 1; return 1 }"


async def test_the_statistics_of_a_function_count_its_calls(functions: FunctionsService) -> None:
    await deploy(functions, "f", HALF)
    for _ in range(3):
        await call(functions, "f")
    with pytest.raises(FunctionError):
        await call(functions, "f", request("/no"))

    stats = await functions.stats(MEMBER, "f", 24)

    assert (stats.calls, stats.errors, stats.refused, stats.cold_starts) == (4, 1, 0, 1)
    assert stats.p50_ms is not None
    assert stats.p95_ms is not None
    assert 0 < stats.p50_ms <= stats.p95_ms < 10_000
    [hour] = stats.hours
    assert (hour.calls, hour.errors, hour.hour) == (4, 1, hour_of(functions.statistics.clock.now()))


async def test_later_calls_are_added_to_the_statistics(functions: FunctionsService) -> None:
    await deploy(functions, "f", HALF)

    for expected in (1, 2, 3):
        await call(functions, "f")
        assert (await functions.stats(MEMBER, "f", 1)).calls == expected


async def test_usage_is_counted_by_hour_and_old_hours_are_deleted(functions: FunctionsService) -> None:
    clock = functions.statistics.clock = functions.meter.writer.clock = ManualClock(SystemClock().now())
    functions.stores.hours.ledger.clock = clock
    await deploy(functions, "f", HALF)
    for _ in range(3):
        await call(functions, "f")
        clock.advance(3600)

    assert len((await functions.stats(MEMBER, "f", 24)).hours) == 3
    assert len((await functions.stats(MEMBER, "f", 2)).hours) == 1
    clock.advance(timedelta(days=32).total_seconds())
    await functions.statistics.delete_old()
    assert (await functions.stats(MEMBER, "f", 744)).hours == ()
    assert (await functions.stores.hours.of_project("prj_one", hour_of(clock.now()) - timedelta(days=40), 9)) != []


async def test_files_are_in_the_usage_of_a_project_once(functions: FunctionsService) -> None:
    now = functions.statistics.clock.now()
    kinds = (Dimension.FILE_BYTE_HOURS, 3000), (Dimension.EGRESS_BYTES, 70)
    batch: Batch[None] = Batch("wrt_1", 1, tuple([Amount("prj_one", kind, hour_of(now), size) for kind, size in kinds]))
    for _ in range(2):  # the second time as after a lost answer
        await functions.add_file_usage(batch, now)

    usage = await functions.usage(MEMBER, 2)

    assert (usage.file_byte_hours, usage.file_bytes_downloaded, usage.invocations) == (3000, 70, 0)
    assert [(hour.file_byte_hours, hour.file_bytes_downloaded) for hour in usage.hours] == [(3000, 70)]


async def test_a_projects_usage_outlives_its_functions(functions: FunctionsService) -> None:
    await deploy(functions, "f", "async () => { await Bun.sleep(50) }", memory_mb=512)
    await call(functions, "f")

    await functions.delete_function(MEMBER, "f")
    usage = await functions.usage(MEMBER, 24)

    assert usage.invocations == 1
    assert 0.05 * 0.5 <= usage.gb_seconds < 5
    assert [hour.invocations for hour in usage.hours] == [1]
    assert (await functions.usage(member_caller("prj_other"), 24)).hours == ()


async def test_a_clock_that_is_years_ahead_deletes_no_usage(functions: FunctionsService) -> None:
    """Before, one server that starts with a wrong date would delete the usage of all projects within seconds."""
    await deploy(functions, "f", HALF)
    await call(functions, "f")
    await functions.meter.flush()
    truth, hour = functions.statistics.clock, hour_of(functions.statistics.clock.now())

    functions.statistics.clock = ManualClock(truth.now() + timedelta(days=5000))
    await functions.statistics.delete_old()
    functions.statistics.clock = truth

    [kept] = await functions.stores.hours.of_project("prj_one", hour, 9)
    assert kept.invocations == 1
    assert await functions.stores.hours.db.value("SELECT count(*) FROM usage_batches") == 1


async def test_a_call_that_no_worker_ran_is_counted_as_refused(functions: FunctionsService) -> None:
    await deploy(functions, "f", HALF)
    functions.pool.waiting.settings = functions.pool.settings.__class__(max_waiting_bytes=1 << 20)

    with pytest.raises(FunctionOverloaded):
        await call(functions, "f", request(method="POST", body=b"x" * (2 << 20)))

    stats = await functions.stats(MEMBER, "f", 1)
    assert (stats.calls, stats.refused, stats.p50_ms) == (0, 1, None)


async def test_statistics_are_written_later_if_the_database_is_unreachable(functions: FunctionsService) -> None:
    await deploy(functions, "f", HALF)
    add = functions.meter.writer.deliver

    async def away(*_: object) -> NoReturn:
        await call(functions, "f")  # This call is counted while the earlier counts are being written.
        raise Unreachable("PostgreSQL is away.")

    await call(functions, "f")
    functions.meter.writer.deliver = away
    with pytest.raises(Unreachable):
        await functions.stats(MEMBER, "f", 1)
    functions.meter.writer.deliver = add

    assert (await functions.stats(MEMBER, "f", 1)).calls == 2


@pytest.mark.parametrize(
    "error", [Unreachable("The answer was lost."), asyncio.CancelledError()], ids=["lost", "cancelled"]
)
async def test_a_call_counts_once_if_commit_succeeded_and_only_its_answer_was_lost(
    functions: FunctionsService, error: BaseException
) -> None:
    """Before, BunBase added the counts a second time if an error came after a successful COMMIT."""
    await deploy(functions, "f", HALF)
    await call(functions, "f")
    add = functions.meter.writer.deliver

    async def committed(*batch: Any) -> NoReturn:
        await add(*batch)
        raise error

    functions.meter.writer.deliver = committed
    with pytest.raises(type(error)):
        await functions.meter.flush()
    functions.meter.writer.deliver = add

    assert (await functions.stats(MEMBER, "f", 1)).calls == 1
    assert (await functions.usage(MEMBER, 1)).invocations == 1


async def test_the_usage_of_a_deleted_project_is_kept_and_its_statistics_are_not(
    functions: FunctionsService,
) -> None:
    await deploy(functions, "f", HALF)
    await call(functions, "f")
    hour = hour_of(functions.statistics.clock.now()) - timedelta(hours=1)

    await functions.drop_project("prj_one")
    await functions.meter.flush()

    assert [used.invocations for used in await functions.stores.hours.of_project("prj_one", hour, 9)] == [1]
    assert await functions.stores.hours.of_function("prj_one", "f", hour, 9) == []


async def test_calls_of_too_many_functions_count_only_as_usage(
    functions: FunctionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "MAX_KEPT", 1)
    for name in ("f", "g", "h"):
        await deploy(functions, name, HALF)
    before = float(metrics.counts_dropped._value.get())
    async with functions.meter.writer.sending:  # No batch is written meanwhile.
        for name in ("f", "g", "g", "h"):
            await call(functions, name)

    assert [(await functions.stats(MEMBER, name, 1)).calls for name in ("f", "g", "h")] == [1, 0, 0]
    assert (await functions.usage(MEMBER, 1)).invocations == 4
    assert metrics.counts_dropped._value.get() == before + 3


async def test_only_members_read_statistics_and_only_of_functions_that_exist(functions: FunctionsService) -> None:
    with pytest.raises(FunctionNotFound):
        await functions.stats(MEMBER, "never", 1)
    with pytest.raises(FunctionNotFound):
        await functions.stats(MEMBER, "no name", 1)
    assert (await functions.usage(member_caller("prj_one", Role.VIEWER), 1)).invocations == 0
    with pytest.raises(Forbidden):
        await functions.usage(SERVER, 1)


@given(st.floats(min_value=0, max_value=1000))
def test_a_duration_falls_into_the_bucket_that_holds_it(seconds: float) -> None:
    bucket = bucket_of(seconds)

    assert 0 <= bucket < BUCKETS
    assert seconds <= upper_seconds(bucket) * 1.000001 or bucket == BUCKETS - 1
    assert bucket == 0 or seconds >= upper_seconds(bucket - 1) * 0.999999


@given(st.lists(st.floats(min_value=0.0002, max_value=300), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_percentile_is_accurate_within_12_percent(durations: list[float], share: float) -> None:
    buckets = [0] * BUCKETS
    for seconds in durations:
        buckets[bucket_of(seconds)] += 1

    told = percentile_ms(buckets, share)

    exact = sorted(durations)[max(1, math.ceil(len(durations) * share)) - 1] * 1000
    assert told == pytest.approx(exact, rel=0.125)
