"""One Bun process and the calls in it. It serves one deployment for life; nothing it sends is trusted."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from itertools import islice
from typing import Final, cast

from bunbase.contracts.function_logs import LogLevel
from bunbase.contracts.functions import FunctionCpuExceeded, FunctionCrashed, FunctionError, FunctionTimeout
from bunbase.functions.sandbox.worker_cgroups import Cgroup
from bunbase.functions.workers.answer_head import read_head
from bunbase.functions.workers.asks import Asks, read_opening
from bunbase.functions.workers.call import Call, Outcome
from bunbase.functions.workers.deployment import NOTHING_YET, Deployment, Request, Said
from bunbase.functions.workers.frame_budget import FrameBudget
from bunbase.functions.workers.frames import LENGTH, BadFrame, Frame, FrameReader, encode_frame, join_payload, text_of
from bunbase.functions.workers.limits import (
    LINE_OVERHEAD_BYTES,
    MAX_CALL_LOG_BYTES,
    MAX_ERROR_BYTES,
    MAX_FRAME_BYTES,
    MAX_LINE_BYTES,
    MAX_STRAY_FRAMES,
    WINDOW_BYTES,
)
from bunbase.functions.workers.processor import MAX_IDLE_MS, ProcessorTime
from bunbase.functions.workers.program import Program
from bunbase.functions.workers.start import OF_START, LoadFailed, Start, WorkerDied
from bunbase.functions.workers.upload import Upload
from bunbase.functions.workers.zygote import Spawned
from bunbase.pkg.clock import rfc3339
from bunbase.pkg.errors import Problem

PONG_SECONDS: Final = 0.25
MAX_FRAMES_A_TURN: Final = 128  # 1 ms; of the smallest, 28,000 may come at once, and for 0.3 s nobody else got a turn
LEVELS: Final = (LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARN, LogLevel.ERROR)
RETIRED: Final = "retired"
OF_UPLOADS: Final = frozenset({Frame.BODY_CREDIT, Frame.BODY_CANCEL})
BURNT_WHILE_IDLE: Final = (
    f"The worker used {MAX_IDLE_MS:g} ms of processor time while no call was under way, and was replaced: what goes on "
    "behind an answer belongs in ctx.waitUntil."
)
OF_ASKS: Final = frozenset({Frame.ASK_CHUNK, Frame.ASK_END, Frame.ASK_CANCEL, Frame.REPLY_CREDIT})


class Owner:
    """Whom a worker tells what becomes of it and of its calls; this one does not care."""

    def said(self, said: Said) -> None: ...

    def free(self, worker: Worker) -> None:
        """Hear that a call has ended and left its place."""

    def ended(self, worker: Worker, call: Call, outcome: Outcome, seconds: float) -> None:
        """`seconds`: from the call's beginning to its end, with what it handed to waitUntil."""

    def died(self, worker: Worker) -> None:
        """Hear, once, that the process is done with."""


class Worker(asyncio.Protocol):
    """Generic until it is given a bundle by `load`: from then on `owner` and `deployment` stay what they are.

    `on_death(worker)`: once when the process is done with, before its owner hears of it.
    """

    def __init__(
        self,
        process: Spawned,
        max_answer_bytes: int,
        on_death: Callable[[Worker], None],
        cgroup: Cgroup | None = None,
    ) -> None:
        self.pid = process.pid
        self.cgroup = cgroup
        self.deployment = NOTHING_YET
        self.cpu = ProcessorTime(process.pid)
        self.loaded_at = 0.0
        self.best_before = float("inf")  # in seconds behind loaded_at
        self.calls: dict[int, Call] = {}
        self.served = 0
        self.held_mb = self.peak_mb = 0.0  # memory when it was last looked at, and at most
        self.idle_since = time.monotonic()
        self.retiring = False
        self.dead = ""  # why
        self.owner = Owner()
        self._on_death = on_death
        self._pidfd = process.pidfd
        self._max_answer_bytes = max_answer_bytes
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader(MAX_FRAME_BYTES)
        self._transport: asyncio.WriteTransport | None = None
        self._reading: asyncio.ReadTransport | None = None
        self._start = Start(self._loop)
        self._deadlines: dict[int, asyncio.TimerHandle] = {}
        self._pong_due: asyncio.TimerHandle | None = None
        self._full = False  # it does not read what is sent to it
        self._background_log_bytes = 0
        self._stray_frames = 0
        self._budget = FrameBudget(self.cpu)
        self._asks = Asks(NOTHING_YET, self._send)

    @property
    def has_room(self) -> bool:
        return not self.retiring and not self.dead and len(self.calls) < self.deployment.config.concurrency

    @property
    def idle(self) -> bool:
        return not self.calls

    @property
    def unsent_bytes(self) -> int:
        """What waits here until the worker reads."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    async def ready(self, seconds: float) -> None:
        """Wait until its runtime stands. Raises: WorkerDied, FunctionsUnavailable, TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._start.ready

    async def load(self, deployment: Deployment, program: Program, seconds: float, guard: bool = True) -> None:
        """Hand over what is to run. `guard`: runtime/guard.ts. Raises: LoadFailed, FunctionsUnavailable."""
        self.deployment = self._asks.deployment = deployment
        self._start.compiled.cancel()  # bytecode is made where no bundle has run
        if self.dead:
            raise WorkerDied(f"The worker died before it was needed: {self.dead}.")
        if program.host is not None:
            self._asks.host = program.host
        meta = {
            "project": self.deployment.project,
            "function": {"name": self.deployment.name, "version": self.deployment.version},
            "env": program.env,
            "guard": guard,
            "bytecode": len(program.bytecode),
        }
        try:
            async with asyncio.timeout(seconds):
                await self._start.ready  # writing to one that has ended would hide what it said last: why
                self._send(Frame.LOAD, 0, join_payload(meta, program.code, program.bytecode))
                await self._start.loaded
            self.cpu.forget()
            self.loaded_at = self.idle_since = time.monotonic()
        except TimeoutError:
            raise LoadFailed(f"It did not finish loading within {seconds:g} s.") from None

    async def compile(self, code: bytes, seconds: float) -> bytes:
        """Give a bundle's bytecode, b"" where there is none, without running it. Raises: WorkerDied, TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._start.ready
            self._send(Frame.COMPILE, 0, code)
            return await self._start.compiled

    def begin(self, request: Request) -> Call:
        """Start a call; its deadline runs from now."""
        self.cpu.settle(self.calls.values())
        self.served += 1
        self._stray_frames = 0
        self._budget.begin_call()
        number, timeout = self.served, self.deployment.config.timeout_ms / 1000
        call = Call(
            request,
            cold=number == 1,
            max_bytes=self._max_answer_bytes,
            grant=lambda count: self._send(Frame.CREDIT, number, LENGTH.pack(count)),
            cancel=lambda: self._send(Frame.CANCEL, number, b"The client has gone."),
        )
        if request.more:
            call.upload = Upload(len(request.body), partial(self._send_on, number), call.refuse)
        self.calls[number] = call
        self._deadlines[number] = self._loop.call_later(timeout, self._expire, number)
        self._send(Frame.INVOKE, number, _invoke_payload(request))
        return call

    def check_cpu(self) -> None:
        """Break off calls that have used up their processor time; end a worker that burns it without a call."""
        # until it reacts it is a call broken off that burns, and its neighbours do not pay for that
        self.cpu.settle(self.calls.values() if self._pong_due is None else ())
        for number, call in list(self.calls.items()):
            if call.cpu_ms > self.deployment.config.cpu_ms and number in self.calls:
                self._overspend(number)
        if self.idle and self.loaded_at and self.cpu.idle_ms > MAX_IDLE_MS and not self.dead:
            self.owner.said(Said(self.deployment, "", LogLevel.WARN, BURNT_WHILE_IDLE))
            self.kill(RETIRED)

    def retire(self) -> None:
        """Take no more calls, and end after those that run."""
        self.retiring = True
        if self.idle:
            self.kill(RETIRED)

    def kill(self, why: str) -> None:
        """End the process now; its calls crash."""
        if self.dead:
            return
        self.dead = why
        self.cpu.settle(self.calls.values())
        with suppress(ProcessLookupError):  # it was faster
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.close(self._pidfd)
        if self._transport is not None:
            self._transport.abort()
        if self._pong_due is not None:
            self._pong_due.cancel()
        self._asks.close()
        self._start.end(why)
        for number in list(self.calls):
            self._log(self.calls[number], f"The worker died: {why}.")
            crash = FunctionCrashed("The worker that ran this call died; the function's log says why.")
            self._end(number, Outcome.CRASH, crash)
        self._on_death(self)
        self.owner.died(self)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's share no base class with asyncio's
        self._reading = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        heard = 0
        try:
            with closing(self._reader.push(data)) as frames:
                for type, id, payload in islice(frames, MAX_FRAMES_A_TURN):
                    heard += 1
                    self._hear(type, id, payload)
                    if self.dead:
                        return
            self._budget.spend(heard)
        except (BadFrame, RecursionError) as wrong:  # JSON may be nested deeper than it can be read
            self.kill(f"it broke the protocol: {wrong}")
        if heard == MAX_FRAMES_A_TURN and not self.dead:
            self._stop_reading()
            self._loop.call_soon(self._read_on)

    def pause_writing(self) -> None:
        """Hear no more from a worker that does not read: each of its questions would leave an answer waiting here."""
        self._full = True
        self._stop_reading()

    def resume_writing(self) -> None:
        self._full = False
        self._read_on()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.pause_reading()

    def _read_on(self) -> None:
        """Hear what has come already, then what comes."""
        if self._reading is None or self._full or self.dead or self._reading.is_closing():
            return
        self._reading.resume_reading()
        self.data_received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self.kill((self.cgroup and self.cgroup.cause_of_death) or "its process ended")

    def _hear(self, type: int, id: int, payload: bytes) -> None:
        match type:
            case Frame.LOG:
                self._hear_line(id, payload)
            case _ if type in OF_START and self._start.hear(type, payload):
                pass
            case Frame.PONG if self._pong_due is not None:
                self._pong_due.cancel()
                self._pong_due = None
            case Frame.ASK:
                self._hear_ask(id, payload)
            case _ if type in OF_ASKS:
                self._hear_of_ask(type, id, payload)
            case _ if id in self.calls:
                self._hear_call(type, id, self.calls[id], payload)
            case _:
                self._stray()

    def _hear_call(self, type: int, id: int, call: Call, payload: bytes) -> None:
        match type:
            case _ if type in OF_UPLOADS:  # also behind the answer: a call that lingers may still read
                if call.upload is None:
                    raise BadFrame("credit for a body that came whole")
                call.upload.hear(type, payload)
            case Frame.SETTLED if call.ended:
                self._end(id, Outcome.OK)
            case _ if call.ended:
                raise BadFrame("more of an answer that has ended")
            case Frame.LINGER if not call.lingers:
                call.lingers = True
            case Frame.HEAD:
                call.begin_answer(read_head(payload))
            case Frame.CHUNK:
                call.feed(payload)
                if call.too_long:
                    self._give_up_long(id, call)
            case Frame.DONE:
                self._end_answer(id, Outcome.CANCELLED if call.abandoned else Outcome.OK)
            case Frame.ERROR if call.abandoned:
                self._end_answer(id, Outcome.CANCELLED)  # most likely the very error that our cancelling caused
            case Frame.ERROR:
                self._log(call, text_of(payload[:MAX_ERROR_BYTES]))
                failure = FunctionError("The function threw an error; its log has the details.")
                self._end_answer(id, Outcome.ERROR, failure)
            case _:
                raise BadFrame(f"a frame of type {type}")

    def _end_answer(self, number: int, outcome: Outcome, problem: Problem | None = None) -> None:
        """Let the reader go; a call that lingers keeps its place, its deadline and what it may ask."""
        call = self.calls[number]
        if call.lingers:
            call.end(problem)
        else:
            self._end(number, outcome, problem)

    def _hear_ask(self, number: int, payload: bytes) -> None:
        opening, body = read_opening(payload)
        call = self.calls.get(opening.call)
        if call is None:
            self._stray()
            return self._asks.refuse(number)
        seconds = self._deadlines[opening.call].when() - self._loop.time()
        self._asks.begin(number, opening, body, call.request, seconds)
        return None

    def _hear_of_ask(self, type: int, number: int, payload: bytes) -> None:
        ask = self._asks.open.get(number)
        if ask is None:
            self._stray()  # it crossed the answer on its way
        else:
            ask.hear(type, payload)

    def _hear_line(self, id: int, payload: bytes) -> None:
        size = len(payload) - 2 + LINE_OVERHEAD_BYTES
        call = self.calls.get(id)
        if id and call is None:
            return self._stray()
        if size > MAX_LINE_BYTES + LINE_OVERHEAD_BYTES or size < LINE_OVERHEAD_BYTES or payload[0] >= len(LEVELS):
            raise BadFrame("a log line that cannot be")
        if call is None:
            self._background_log_bytes += size
            logged = self._background_log_bytes
        else:
            call.logged_bytes += size
            logged = call.logged_bytes
        if logged > MAX_CALL_LOG_BYTES + MAX_LINE_BYTES:  # room for the mark that says where it was cut
            raise BadFrame("more log than a call may write")
        invocation = call.request.invocation if call else ""
        self.owner.said(Said(self.deployment, invocation, LEVELS[payload[0]], text_of(payload[2:]), payload[1] != 0))
        return None

    def _stray(self) -> None:
        self._stray_frames += 1
        if self._stray_frames > MAX_STRAY_FRAMES:
            raise BadFrame("a flood of frames that belong to no call")

    def _expire(self, number: int) -> None:
        timeout_ms = self.deployment.config.timeout_ms
        self._log(self.calls[number], f"The call did not end within {timeout_ms} ms.")
        self._send(Frame.CANCEL, number, b"The call has run out of time.")
        problem = FunctionTimeout(f"It ran for {timeout_ms} ms, the longest it may.")
        self._break_off(number, Outcome.TIMEOUT, problem)

    def _overspend(self, number: int) -> None:
        cpu_ms = self.deployment.config.cpu_ms
        self._log(self.calls[number], f"The call used {cpu_ms} ms of processor time, the most it may.")
        self._send(Frame.CANCEL, number, b"The call has used up its processor time.")
        problem = FunctionCpuExceeded(f"It used {cpu_ms} ms of processor time, the most it may: the function's cpu_ms.")
        self._break_off(number, Outcome.CPU, problem)

    def _break_off(self, number: int, outcome: Outcome, problem: Problem) -> None:
        """Answer, then see whether the process still listens; it gets no new calls in either case."""
        self.retiring = True
        self._end(number, outcome, problem)
        if not self.dead and self._pong_due is None:
            self._send(Frame.PING, 0)
            self._pong_due = self._loop.call_later(PONG_SECONDS, self.kill, "it no longer reacts")

    def _give_up_long(self, number: int, call: Call) -> None:
        self._log(call, f"The answer was longer than {self._max_answer_bytes} bytes.")
        self._send(Frame.CANCEL, number, b"The answer is too long.")
        self.retiring = True  # who knows whether the function stops
        self._end(number, Outcome.ERROR, FunctionError("The answer was longer than this installation lets through."))

    def _end(self, number: int, outcome: Outcome, problem: Problem | None = None) -> None:
        self.cpu.settle(self.calls.values())
        call = self.calls.pop(number)
        self._deadlines.pop(number).cancel()
        self._asks.end_call(number)
        call.end(problem)
        self.owner.ended(self, call, outcome, time.monotonic() - call.began)
        if self.dead:
            return
        self.idle_since = time.monotonic()
        if self.retiring and self.idle:
            self.kill(RETIRED)
        else:
            self.owner.free(self)

    def _log(self, call: Call, text: str) -> None:
        self.owner.said(Said(self.deployment, call.request.invocation, LogLevel.ERROR, text))

    def _send_on(self, number: int, type: Frame, payload: bytes) -> None:
        self._send(type, number, payload)

    def _send(self, type: Frame, id: int, payload: bytes = b"") -> None:
        if self._transport is not None and not self.dead:
            self._transport.write(encode_frame(type, id, payload))


def _invoke_payload(request: Request) -> bytes:
    user, trigger = request.user, request.trigger
    meta = {
        "invocation": request.invocation,
        "method": request.method,
        "path": request.path,
        "headers": request.headers,
        "caller": user and {"uid": user.uid, "email": user.email, "role": user.role, "claims": user.claims},
        "trigger": trigger
        and {"kind": trigger.kind, "job": trigger.job, "attempt": trigger.attempt, "due_at": rfc3339(trigger.due_at)},
        "credit": WINDOW_BYTES,
        "more": request.more,
    }
    return join_payload(meta, request.body)
