"""The life of one Bun process and of its calls. The server trusts nothing that the process sends.

1. The starter spawns the process and connects `connection`. The worker may now wait without a bundle (prewarmed.py).
2. `load` sends a bundle to the process. From then on, the worker serves this one deployment until it ends.
3. `begin` starts a call and the timer of its deadline. The frames of the process (`_hear`) feed the call until it ends.
4. If a call exceeds its time or its processor time, it gets an error immediately, and the server pings the worker. If
   the worker does not answer within PONG_SECONDS, it is in an endless loop, and the server kills it. In either case the
   worker takes no new calls.
5. `retire` ends the process after the running calls. `kill` ends the process immediately, and its calls fail as
   crashed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.problems import FunctionCpuExceeded, FunctionCrashed, FunctionError, FunctionTimeout
from bunbase.functions.sandbox.worker_cgroups import Cgroup
from bunbase.functions.workers.answer_head import read_head
from bunbase.functions.workers.asks import Asks, read_opening
from bunbase.functions.workers.call import Call, Outcome
from bunbase.functions.workers.connection import Connection
from bunbase.functions.workers.deployment import NOTHING_YET, Deployment, LogRecord, Request
from bunbase.functions.workers.frame_budget import FrameBudget
from bunbase.functions.workers.frames import LENGTH, BadFrame, Frame, join_payload, text_of
from bunbase.functions.workers.invocation import invoke_payload
from bunbase.functions.workers.limits import (
    MAX_ERROR_BYTES,
    MAX_STRAY_FRAMES,
)
from bunbase.functions.workers.log_lines import check_logged, read_line
from bunbase.functions.workers.processor import MAX_IDLE_MS, ProcessorTime
from bunbase.functions.workers.program import Program
from bunbase.functions.workers.start import OF_START, LoadFailed, Start, WorkerDied
from bunbase.functions.workers.upload import Upload
from bunbase.functions.workers.zygote import Spawned
from bunbase.pkg.errors import Problem

PONG_SECONDS: Final = 0.25
RETIRED: Final = "retired"
OF_UPLOADS: Final = frozenset({Frame.BODY_CREDIT, Frame.BODY_CANCEL})
BURNT_WHILE_IDLE: Final = (
    f"The worker used {MAX_IDLE_MS:g} ms of processor time while no call was running, and was replaced. "
    "Pass work that goes on after the answer to ctx.waitUntil(promise)."
)
OF_ASKS: Final = frozenset({Frame.ASK_CHUNK, Frame.ASK_END, Frame.ASK_CANCEL, Frame.REPLY_CREDIT})


class WorkerListener:
    """Receives the events of a worker. This base class ignores all events."""

    def on_log(self, record: LogRecord) -> None:
        """Receive a log line of the function, or a line that the server logs for the function."""

    def on_free(self, worker: Worker) -> None:
        """Notice that a call has ended, so that the worker can take another call."""

    def on_call_ended(self, worker: Worker, call: Call, outcome: Outcome, seconds: float) -> None:
        """Notice that a call has ended. `seconds`: the whole duration of the call, including its waitUntil work."""

    def on_death(self, worker: Worker) -> None:
        """Notice that the process has been killed or has ended. This method is called once."""


class Worker:
    """One Bun process. After `load`, `listener` and `deployment` never change.

    `on_death(worker)` is called once, before `listener.on_death`, when the process has been killed or has ended.
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
        self.best_before = float("inf")  # The worker retires at this age, in seconds after `loaded_at`.
        self.calls: dict[int, Call] = {}
        self.served = 0
        self.held_mb = self.peak_mb = 0.0  # The memory at the last check, and the highest memory so far.
        self.idle_since = time.monotonic()
        self.retiring = False
        self.dead = ""  # The cause of death, which is empty while the process runs.
        self.listener = WorkerListener()
        self._on_death = on_death
        self._pidfd = process.pidfd
        self._max_answer_bytes = max_answer_bytes
        self._loop = asyncio.get_running_loop()
        self._start = Start(self._loop)
        self._deadlines: dict[int, asyncio.TimerHandle] = {}
        self._pong_due: asyncio.TimerHandle | None = None
        self._background_log_bytes = 0
        self._stray_frames = 0
        self._budget = FrameBudget(self.cpu)
        self.connection = Connection(self._hear, self.kill, self._lost, self._budget)
        self._asks = Asks(NOTHING_YET, self.connection.send)

    @property
    def has_room(self) -> bool:
        return not self.retiring and not self.dead and len(self.calls) < self.deployment.config.concurrency

    @property
    def idle(self) -> bool:
        return not self.calls

    async def ready(self, seconds: float) -> None:
        """Wait until the runtime is ready. Raises: WorkerDied, FunctionsUnavailable, TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._start.ready

    async def load(self, deployment: Deployment, program: Program, seconds: float, guard: bool = True) -> None:
        """Load a bundle. `guard`: true if runtime/guard.ts is active. Raises: LoadFailed, FunctionsUnavailable."""
        self.deployment = self._asks.deployment = deployment
        # A worker that runs a bundle must not compile, because the bundle could forge the bytecode.
        self._start.compiled.cancel()
        if self.dead:
            raise WorkerDied(f"The worker died before it got the bundle: {self.dead}.")
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
                # A write to an ended process would close the socket, and would lose the last message, which contains
                # the cause of the end.
                await self._start.ready
                self.connection.send(Frame.LOAD, 0, join_payload(meta, program.code, program.bytecode))
                await self._start.loaded
            self.cpu.forget()
            self.loaded_at = self.idle_since = time.monotonic()
        except TimeoutError:
            raise LoadFailed(f"The bundle did not finish loading within {seconds:g} s.") from None

    async def compile(self, code: bytes, seconds: float) -> bytes:
        """Compile a bundle without running it. Return the bytecode of the bundle, or b"" if Bun produced none.

        Raises: WorkerDied, TimeoutError.
        """
        async with asyncio.timeout(seconds):
            await self._start.ready
            self.connection.send(Frame.COMPILE, 0, code)
            return await self._start.compiled

    def begin(self, request: Request) -> Call:
        """Start a call, and the timer of its deadline."""
        self.cpu.settle(self.calls.values())
        self.served += 1
        self._stray_frames = 0
        self._budget.begin_call()
        number, timeout = self.served, self.deployment.config.timeout_ms / 1000
        call = Call(
            request,
            cold=number == 1,
            max_bytes=self._max_answer_bytes,
            grant=lambda count: self.connection.send(Frame.CREDIT, number, LENGTH.pack(count)),
            cancel=lambda: self.connection.send(Frame.CANCEL, number, b"The client has closed the connection."),
        )
        if request.more:
            call.upload = Upload(len(request.body), partial(self._send_for, number), call.refuse)
        self.calls[number] = call
        self._deadlines[number] = self._loop.call_later(timeout, self._expire, number)
        self.connection.send(Frame.INVOKE, number, invoke_payload(request))
        return call

    def check_cpu(self) -> None:
        """End calls that have exceeded their processor time; end a worker that uses too much between its calls."""
        # While a ping is unanswered, a call that has already ended still uses the processor. Other calls do not pay for
        # this.
        self.cpu.settle(self.calls.values() if self._pong_due is None else ())
        for number, call in list(self.calls.items()):
            if call.cpu_ms > self.deployment.config.cpu_ms and number in self.calls:
                self._overspend(number)
        if self.idle and self.loaded_at and self.cpu.idle_ms > MAX_IDLE_MS and not self.dead:
            self.listener.on_log(LogRecord(self.deployment, "", LogLevel.WARN, BURNT_WHILE_IDLE))
            self.kill(RETIRED)

    def retire(self) -> None:
        """Take no new calls, and end after the running calls."""
        self.retiring = True
        if self.idle:
            self.kill(RETIRED)

    def kill(self, why: str) -> None:
        """End the process immediately. The calls of the process fail as crashed."""
        if self.dead:
            return
        self.dead = why
        self.cpu.settle(self.calls.values())
        with suppress(ProcessLookupError):  # The process has ended already.
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.close(self._pidfd)
        self.connection.close()
        if self._pong_due is not None:
            self._pong_due.cancel()
        self._asks.close()
        self._start.end(why)
        for number in list(self.calls):
            self._log(self.calls[number], f"The worker died: {why}.")
            crash = FunctionCrashed("The worker that ran this call died; the function's log says why.")
            self._end(number, Outcome.CRASH, crash)
        self._on_death(self)
        self.listener.on_death(self)

    # Handlers of frames from the process.

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
            # This is also allowed after the answer, because waitUntil work may still read the body.
            case _ if type in OF_UPLOADS:
                if call.upload is None:
                    raise BadFrame("credit for a body that was sent in one piece")
                call.upload.hear(type, payload)
            case Frame.SETTLED if call.ended:
                self._end(id, Outcome.OK)
            case _ if call.ended:
                raise BadFrame("a frame for an answer that has ended")
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
                self._end_answer(id, Outcome.CANCELLED)  # Our own CANCEL has most likely caused the error.
            case Frame.ERROR:
                self._log(call, text_of(payload[:MAX_ERROR_BYTES]))
                failure = FunctionError("The function threw an error; its log has the details.")
                self._end_answer(id, Outcome.ERROR, failure)
            case _:
                raise BadFrame(f"a frame of type {type}")

    def _end_answer(self, number: int, outcome: Outcome, problem: Problem | None = None) -> None:
        """End the answer.

        If the call has waitUntil work, it keeps its place in the worker, its deadline and its asks.
        """
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
            self._stray()  # The worker sent the frame before it received the end of the reply.
        else:
            ask.hear(type, payload)

    def _hear_line(self, id: int, payload: bytes) -> None:
        call = self.calls.get(id)
        if id and call is None:
            return self._stray()
        line = read_line(payload)
        if call is None:
            self._background_log_bytes += line.size
            check_logged(self._background_log_bytes)
        else:
            call.logged_bytes += line.size
            check_logged(call.logged_bytes)
        invocation = call.request.invocation if call else ""
        self.listener.on_log(LogRecord(self.deployment, invocation, line.level, line.text, line.truncated))
        return None

    def _stray(self) -> None:
        self._stray_frames += 1
        if self._stray_frames > MAX_STRAY_FRAMES:
            raise BadFrame("too many frames that belong to no call")

    def _expire(self, number: int) -> None:
        timeout_ms = self.deployment.config.timeout_ms
        self._log(self.calls[number], f"The call did not end within {timeout_ms} ms.")
        self.connection.send(Frame.CANCEL, number, b"The call has exceeded its time.")
        problem = FunctionTimeout(f"The function ran for {timeout_ms} ms, the longest time that its timeout_ms allows.")
        self._break_off(number, Outcome.TIMEOUT, problem)

    def _overspend(self, number: int) -> None:
        cpu_ms = self.deployment.config.cpu_ms
        self._log(self.calls[number], f"The call exceeded its limit of {cpu_ms} ms of processor time.")
        self.connection.send(Frame.CANCEL, number, b"The call has exceeded its processor time.")
        problem = FunctionCpuExceeded(f"The function exceeded its limit of {cpu_ms} ms of processor time (cpu_ms).")
        self._break_off(number, Outcome.CPU, problem)

    def _break_off(self, number: int, outcome: Outcome, problem: Problem) -> None:
        """Answer the caller, and then ping the process. Whether or not it answers, the process gets no new calls."""
        self.retiring = True
        self._end(number, outcome, problem)
        if not self.dead and self._pong_due is None:
            self.connection.send(Frame.PING, 0)
            self._pong_due = self._loop.call_later(PONG_SECONDS, self.kill, "it no longer reacts")

    def _give_up_long(self, number: int, call: Call) -> None:
        self._log(call, f"The answer was longer than {self._max_answer_bytes} bytes.")
        self.connection.send(Frame.CANCEL, number, b"The answer is too long.")
        self.retiring = True  # The function may ignore the CANCEL and continue.
        self._end(number, Outcome.ERROR, FunctionError("The answer was longer than this installation allows."))

    def _end(self, number: int, outcome: Outcome, problem: Problem | None = None) -> None:
        self.cpu.settle(self.calls.values())
        call = self.calls.pop(number)
        self._deadlines.pop(number).cancel()
        self._asks.end_call(number)
        call.end(problem)
        self.listener.on_call_ended(self, call, outcome, time.monotonic() - call.began)
        if self.dead:
            return
        self.idle_since = time.monotonic()
        if self.retiring and self.idle:
            self.kill(RETIRED)
        else:
            self.listener.on_free(self)

    def _log(self, call: Call, text: str) -> None:
        self.listener.on_log(LogRecord(self.deployment, call.request.invocation, LogLevel.ERROR, text))

    def _send_for(self, number: int, type: Frame, payload: bytes) -> None:
        self.connection.send(type, number, payload)

    def _lost(self) -> None:
        self.kill((self.cgroup and self.cgroup.cause_of_death) or "its process ended")
