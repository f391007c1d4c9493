"""The progress of a new worker: its runtime is ready, its bundle is loaded or compiled, or the start has failed."""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.contracts.functions.problems import FunctionsUnavailable
from bunbase.functions.workers.frames import BadFrame, Frame, text_of
from bunbase.functions.workers.limits import MAX_BYTECODE_BYTES, MAX_ERROR_BYTES

OF_START: Final = frozenset({Frame.READY, Frame.LOADED, Frame.FAILED, Frame.UNCONFINED, Frame.BYTECODE})


class LoadFailed(Exception):
    """The bundle could not be loaded. The message is for the author of the bundle."""


class WorkerDied(LoadFailed):
    """The process ended while it loaded the bundle. The cause may be the bundle or something else."""


class DiedBeforeReady(WorkerDied):
    """The process ended before its runtime was ready. A bundle cannot be the cause."""


class Start:
    """Three futures, one for each step: `ready`, `loaded`, `compiled`.

    When the process ends, unfinished futures fail.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ready: asyncio.Future[None] = loop.create_future()
        self.loaded: asyncio.Future[None] = loop.create_future()
        self.compiled: asyncio.Future[bytes] = loop.create_future()
        self._bytecode = bytearray()

    def hear(self, type: int, payload: bytes) -> bool:
        """Process a frame. Return False if it is a piece of bytecode that is no longer needed.

        Raises: BadFrame. A worker may report each step only once.
        """
        match type:
            case Frame.READY if not self.ready.done():
                self.ready.set_result(None)
            case Frame.BYTECODE if self.loaded.done():
                return False
            case _ if type == Frame.READY or self.loaded.done():
                raise BadFrame(f"a frame of type {type} after its start")
            case Frame.LOADED:
                self.loaded.set_result(None)
            case Frame.FAILED:
                self.loaded.set_exception(LoadFailed(text_of(payload[:MAX_ERROR_BYTES])))
            case Frame.UNCONFINED:
                reason = text_of(payload[:MAX_ERROR_BYTES])
                self.fail(FunctionsUnavailable(f"A worker could not be confined: {reason}."))
            case Frame.BYTECODE:
                return self._hear_bytecode(payload)
        return True

    def fail(self, error: Exception) -> None:
        for waited in (self.ready, self.loaded, self.compiled):
            if not waited.done():
                waited.set_exception(error)
                # This marks the exception as retrieved, because asyncio logs an error for an exception that nobody
                # reads.
                waited.exception()

    def end(self, why: str) -> None:
        """Fail all unfinished futures, because the process has ended. `why`: the cause of death."""
        stood = self.ready.done() and self.ready.exception() is None
        died = WorkerDied if stood else DiedBeforeReady
        self.fail(died(f"The worker died while loading: {why}."))

    def _hear_bytecode(self, piece: bytes) -> bool:
        if self.compiled.done():
            return False
        self._bytecode += piece
        if len(self._bytecode) > MAX_BYTECODE_BYTES:
            raise BadFrame("more bytecode than a bundle may have")
        if not piece:
            self.compiled.set_result(bytes(self._bytecode))
        return True
