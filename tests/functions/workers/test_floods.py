"""Frames of every type are counted. A worker that sends more frames than its work can explain is ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.contracts.functions.problems import FunctionCrashed
from bunbase.functions.service import FunctionsService
from bunbase.functions.workers.connection import MAX_FRAMES_A_TURN
from bunbase.functions.workers.deployment import Deployment, Request
from bunbase.functions.workers.frame_budget import BURST, PER_CALL
from bunbase.functions.workers.frames import LENGTH, Frame, encode_frame, join_payload
from bunbase.functions.workers.worker import Worker
from bunbase.functions.workers.zygote import Spawned
from tests.functions.calls import call, deploy, log_of, until

DEPLOYMENT = Deployment("prj_one", "f", 1, "", FunctionConfig(timeout_ms=300_000), 0)
FLOOD = 2 * (BURST + PER_CALL)
MOST = BURST + PER_CALL + MAX_FRAMES_A_TURN
OF_WORKERS = [one for one in Frame if one >= Frame.READY]
ONCE = (Frame.READY, Frame.LOADED, Frame.FAILED, Frame.UNCONFINED)
PAYLOADS = {
    "nothing": b"",
    "a byte": b"x",
    "a number": LENGTH.pack(1),
    "an ask": join_payload({"call": 1, "method": "x"}),
}


class Slow:
    """A host that never answers."""

    async def answer(self, ask: Any) -> None:
        await asyncio.sleep(3600)


class Deaf(asyncio.Transport):
    def write(self, data: Any) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool:
        return False

    def abort(self) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0


@contextmanager
def worker_amid_a_call() -> Iterator[tuple[Worker, list[int]]]:
    """Yield a worker and the list of frame types that it heard.

    Call 1 of the worker uploads a body and has opened ask 1.
    """
    heard: list[int] = []

    class Counting(Worker):
        def _hear(self, type: int, id: int, payload: bytes) -> None:
            heard.append(type)
            super()._hear(type, id, payload)

    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        worker = Counting(Spawned(process.pid, os.pidfd_open(process.pid), None), 1 << 30, lambda _: None)  # type: ignore[arg-type]  # the channel is not used
        try:
            worker.connection.connection_made(Deaf())
            worker.deployment = worker._asks.deployment = DEPLOYMENT
            worker._asks.host = Slow()
            worker.connection.data_received(encode_frame(Frame.READY, 0) + encode_frame(Frame.LOADED, 0))
            worker.begin(Request("inv_1", "POST", "/", (), None, b"x" * 1000, more=True))
            opening = join_payload({"call": 1, "method": "x", "more": True}, b"y")
            worker.connection.data_received(encode_frame(Frame.ASK, 1, opening))
            assert not worker.dead
            heard.clear()
            yield worker, heard
        finally:
            worker.kill("the test is over")
            process.kill()


@pytest.mark.parametrize("type", OF_WORKERS, ids=lambda type: type.name)
async def test_a_flood_of_any_frame_ends_the_worker(type: Frame) -> None:
    """All kinds of frames share one budget, which grows with each call and with processor time."""
    for payload in PAYLOADS.values():
        for before in (b"", encode_frame(Frame.HEAD, 1, msgspec.json.encode({"status": 200, "headers": []}))):
            with worker_amid_a_call() as (worker, heard):
                worker.connection.data_received(before + encode_frame(type, 1, payload) * FLOOD)

                await until(lambda: bool(worker.dead))

                assert worker.dead.startswith("it broke the protocol")
                assert len(heard) <= MOST


@pytest.mark.parametrize("type", ONCE, ids=lambda type: type.name)
async def test_a_second_start_frame_breaks_the_protocol(type: Frame) -> None:
    """A second READY breaks the protocol."""
    with worker_amid_a_call() as (worker, _):
        worker.connection.data_received(encode_frame(type, 0))

        assert worker.dead == f"it broke the protocol: a frame of type {type} after its start"


@pytest.mark.parametrize(
    "twice",
    [
        (Frame.ASK_CANCEL, b""),
        (Frame.ASK_END, b""),
        (Frame.BODY_CANCEL, b""),
        (Frame.LINGER, b""),
    ],
    ids=lambda twice: twice[0].name,
)
async def test_repeating_a_frame_that_may_be_sent_once_breaks_the_protocol(twice: tuple[Frame, bytes]) -> None:
    """A worker sends ASK_CANCEL, or a similar frame, twice."""
    with worker_amid_a_call() as (worker, _):
        worker.connection.data_received(encode_frame(twice[0], 1, twice[1]))
        assert not worker.dead

        worker.connection.data_received(encode_frame(twice[0], 1, twice[1]))

        assert worker.dead


@pytest.mark.parametrize(
    ("type", "payload"),
    [(Frame.ASK_CHUNK, b""), (Frame.REPLY_CREDIT, LENGTH.pack(1)), (Frame.BODY_CREDIT, LENGTH.pack(1 << 20))],
)
async def test_an_empty_chunk_or_false_credit_breaks_the_protocol(type: Frame, payload: bytes) -> None:
    """The cases are an empty chunk of a body, and credit for bytes that were never sent."""
    with worker_amid_a_call() as (worker, _):
        worker.connection.data_received(encode_frame(type, 1, payload))

        assert worker.dead.startswith("it broke the protocol")


@pytest.mark.parametrize(
    ("frame", "pause"),
    [
        ("[0, 0, 0, 5, 16, 0, 0, 0, 0]", "Bun.sleepSync(1) ?? 0"),
        ("[0, 0, 0, 6, 20, 0, 0, 0, 1, 120]", "Bun.sleepSync(1) ?? 0"),
        ("[0, 0, 0, 5, 30, 0, 0, 0, 9]", "Bun.sleepSync(1) ?? 0"),
        ("[0, 0, 0, 5, 16, 0, 0, 0, 0]", "0"),  # a busy loop sends more frames than its processor time allows
    ],
    ids=["READY", "CHUNK", "ASK_CANCEL", "READY in a busy loop"],
)
async def test_a_function_that_floods_its_channel_is_ended_and_other_functions_go_on(
    functions: FunctionsService, frame: str, pause: str
) -> None:
    """Plain JavaScript can forge frames for as long as it runs."""
    functions.starter.guard = False
    flood = f"""() => {{
        const one = {frame}, many = new Uint8Array(one.length * 20_000).map((_, at) => one[at % one.length]);
        const head = Buffer.from('{{"status":200,"headers":[]}}'), fs = require("fs");
        fs.writeSync(3, Buffer.concat([new Uint8Array([0, 0, 0, 5 + head.length, 19, 0, 0, 0, 1]), head]));
        const write = (at) => {{ try {{ return fs.writeSync(3, many, at) }} catch {{ return {pause} }} }};
        for (;;) for (let at = 0; at < many.length;) at += write(at);
    }}"""
    await deploy(functions, "flood", flood, timeout_ms=60_000, cpu_ms=60_000)
    await deploy(functions, "neighbour", "() => 'well'")

    with pytest.raises(FunctionCrashed):
        await call(functions, "flood")

    assert (await call(functions, "neighbour")).json == "well"
    [line] = await log_of(functions, "flood")
    assert line.text.startswith("The worker died: it broke the protocol: ")
