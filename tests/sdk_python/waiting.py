"""Use the asyncio client like the sync client, so that one test serves both."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any


class Loop:
    """An event loop in its own thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def result(self, awaitable: Any) -> Any:
        async def waited() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(waited(), self.loop).result(60)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class Items:
    """Iterates over an asynchronous iterator, and waits for each item."""

    def __init__(self, items: Any, loop: Loop) -> None:
        self.items = items
        self._loop = loop

    def __iter__(self) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._loop.result(anext(self.items))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.result(self.items.aclose())


class Waiting:
    """Waits for each call of an object of the face for asyncio."""

    def __init__(self, subject: Any, loop: Loop) -> None:
        self._subject = subject
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return self._shown(getattr(self._subject, name))

    def _shown(self, value: Any) -> Any:
        if inspect.ismethod(value):
            return lambda *args, **named: self._shown(value(*map(self._passed, args), **named))
        if inspect.isawaitable(value):
            return self._loop.result(value)
        if isinstance(value, AsyncIterator):
            return Items(value, self._loop)
        is_face = type(value).__module__.startswith("bunbase_sdk.aio")
        return Waiting(value, self._loop) if is_face else value

    def _passed(self, value: Any) -> Any:
        """Return an argument as it is passed on. A callback runs in a thread, where it may wait for its own calls."""
        if isinstance(value, Items):
            return value.items
        if not inspect.isfunction(value):
            return value
        function: Callable[..., Any] = value

        async def called(*args: Any) -> Any:
            return await asyncio.to_thread(function, *map(self._shown, args))

        return called
