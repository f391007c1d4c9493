"""Short functions that wait for runs, jobs and printed lines of triggers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.triggers import Job, JobStatus, NewJob, Run, RunOutcome
from tests.functions.calls import DEADLINE_SECONDS, MEMBER, SERVER, log_of

SAY = "async (req, ctx) => { console.log(JSON.stringify({ body: await req.json(), trigger: ctx.trigger })) }"


async def said(functions: Functions, name: str, count: int) -> list[Any]:
    """Wait until the function has printed `count` lines, and return them, parsed as JSON.

    The deadline starts again with each line, since slow machines take long for many lines.
    """
    deadline, known = time.monotonic() + DEADLINE_SECONDS, 0
    while len(lines := [line for line in await log_of(functions, name) if line.level is LogLevel.INFO]) < count:
        if len(lines) > known:
            deadline, known = time.monotonic() + DEADLINE_SECONDS, len(lines)
        assert time.monotonic() < deadline, f"{name} has said only {[line.text for line in lines]}"
        await asyncio.sleep(0.02)
    return [msgspec.json.decode(line.text) for line in lines]


async def runs_of(functions: Functions, name: str, count: int) -> list[Run]:
    """Wait until there are `count` runs, and return them, oldest first."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(runs := (await functions.runs(MEMBER, name, None, None, 500, None)).items) < count:
        assert time.monotonic() < deadline, f"{name} has run only {runs}"
        await asyncio.sleep(0.02)
    return list(reversed(runs))


def outcomes(runs: list[Run]) -> list[RunOutcome]:
    return [run.outcome for run in runs]


async def enqueue(functions: Functions, name: str, payload: Any = None, **options: Any) -> Job:
    return await functions.enqueue(SERVER, msgspec.convert({"function": name, "payload": payload, **options}, NewJob))


async def jobs_of(functions: Functions, state: JobStatus | None = None) -> list[Job]:
    """Return the jobs, oldest first."""
    return list(reversed((await functions.jobs(MEMBER, state, None, 500, None)).items))


async def dead_letters(functions: Functions, count: int) -> list[Job]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(dead := await jobs_of(functions, JobStatus.DEAD)) < count:
        assert time.monotonic() < deadline, f"there are only {dead}"
        await asyncio.sleep(0.02)
    return dead
