"""How far a new worker has come: its runtime stands, a bundle is loaded, or compiled; or what went wrong."""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.contracts.functions.problems import FunctionsUnavailable
from bunbase.functions.workers.frames import BadFrame, Frame, text_of
from bunbase.functions.workers.limits import MAX_BYTECODE_BYTES, MAX_ERROR_BYTES

OF_START: Final = frozenset({Frame.READY, Frame.LOADED, Frame.FAILED, Frame.UNCONFINED, Frame.BYTECODE})


class LoadFailed(Exception):
    """The bundle could not be loaded; the message is for its author."""


class WorkerDied(LoadFailed):
    """The process ended while it loaded: the bundle may have ended it, or something else."""


class NeverStood(WorkerDied):
    """The process ended before its runtime stood: no bundle can have done that."""


class Start:
    """`ready`, `loaded`, `compiled`: come true once, each in its time, or fail together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ready: asyncio.Future[None] = loop.create_future()
        self.loaded: asyncio.Future[None] = loop.create_future()
        self.compiled: asyncio.Future[bytes] = loop.create_future()
        self._bytecode = bytearray()

    def hear(self, type: int, payload: bytes) -> bool:
        """Take a frame; False if it is a piece of bytecode that nobody waits for any more. Raises: BadFrame.

        Each step is said once: told again and again, it would be heard for nothing.
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
                waited.exception()  # seen, should nobody wait

    def end(self, why: str) -> None:
        """Fail what is still waited for: the process has ended."""
        stood = self.ready.done() and self.ready.exception() is None
        died = WorkerDied if stood else NeverStood
        self.fail(died(f"The worker died while loading: {why}."))

    def _hear_bytecode(self, piece: bytes) -> bool:
        if self.compiled.done():
            return False
        self._bytecode += piece
        if len(self._bytecode) > MAX_BYTECODE_BYTES:
            raise BadFrame("more bytecode than there may be")
        if not piece:
            self.compiled.set_result(bytes(self._bytecode))
        return True
