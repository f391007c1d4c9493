from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from bunbase.functions.module import MODULE
from tests.fakes import FakeKms
from tests.functions.calls import MEMBER, call, deploy, log_of, until
from tests.functions.hosting import SECRET, killed_host
from tests.functions.neighbours import neighbours
from tests.rooms import opened, site


def alive(pid: int) -> bool:
    """True if the process runs. A zombie counts as dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_workers_end_with_a_killed_server_and_the_next_server_works(
    database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    async with killed_host(database_url, tmp_path, number) as (_, pids):
        assert len(pids) == 3
        assert all(alive(pid) for pid in pids)

    await until(lambda: not any(alive(pid) for pid in pids))
    async with opened(MODULE, neighbours(FakeKms(SECRET)), site(tmp_path, database_url)) as functions:
        assert (await call(functions, "idle")).json == "still here"


async def test_closing_functions_ends_every_process_and_keeps_the_log(database_url: str, tmp_path: Path) -> None:
    async with opened(MODULE, neighbours(FakeKms(SECRET)), site(tmp_path, database_url)) as functions:
        await deploy(functions, "f", "() => { console.log('last words'); return 1 }")
        await call(functions, "f")
        pids = [worker.pid for worker in functions.starter.alive] + [functions.starter.zygote.process.pid]

    await until(lambda: not any(alive(pid) for pid in pids))
    async with opened(MODULE, neighbours(FakeKms(SECRET)), site(tmp_path, database_url)) as functions:
        assert [line.text for line in await log_of(functions, "f")] == ["last words"]


async def test_a_second_server_sees_new_versions_and_variables(database_url: str, tmp_path: Path) -> None:

    rooms = neighbours(FakeKms(SECRET))
    async with (
        opened(MODULE, rooms, site(tmp_path, database_url)) as one,
        opened(MODULE, rooms, site(tmp_path, database_url)) as other,
    ):
        await until(lambda: one.rollout.active.live and other.rollout.active.live)
        await deploy(one, "f", "(req, ctx) => [ctx.function.version, ctx.env.A ?? null]")
        assert (await call(other, "f")).json == [1, None]

        async def sees(expected: list[object]) -> None:
            async with asyncio.timeout(1):
                while (await call(other, "f")).json != expected:
                    pass

        await deploy(one, "f", "(req, ctx) => [ctx.function.version, ctx.env.A ?? null]")
        await sees([2, None])
        await one.set_variable(MEMBER, "A", "x")
        await sees([2, "x"])
