"""Carries out the steps of calls with `httpx.AsyncClient`, in the task of the caller."""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator
from contextlib import AsyncExitStack, closing
from typing import Any, TypeVar

import httpx

from bunbase_sdk.connections import LIMITS, Ended, advanced, broken, check_is_open, headers_of, lines, request_of
from bunbase_sdk.core.flow import Alone, Answer, Ask, Broken, Emit, Flow, Items, Read, Send, Sleep, Step, Upload
from bunbase_sdk.proxies import async_client

T = TypeVar("T")


class AsyncDriver:
    """Tasks of one event loop may share a driver.

    `url`: the address of the server. `http`: a client of the caller, who must close it.
    """

    def __init__(self, url: str, http: httpx.AsyncClient | None = None) -> None:
        self._given = http
        self._http = http or async_client(url, limits=LIMITS)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        if self._given is None:
            await self._http.aclose()

    async def run(self, flow: Flow[T]) -> T:
        """Return the result of a call. If the task is cancelled, its connection closes. Raises: Problem."""
        with closing(flow):
            async with AsyncExitStack() as opened:
                ended = await self._until_emitted(flow, advanced(flow), opened)
                assert isinstance(ended, Ended), "a call emits nothing"
                result: T = ended.value
                return result

    async def items(self, flow: Items[T]) -> AsyncGenerator[T, None]:
        """Yield the items that a call emits. Raises: Problem."""
        with closing(flow):
            async with AsyncExitStack() as opened:
                step = await self._until_emitted(flow, advanced(flow), opened)
                while isinstance(step, Emit):
                    yield step.value
                    step = await self._until_emitted(flow, advanced(flow), opened)

    async def _until_emitted(
        self, flow: Generator[Step, Any, Any], step: Step | Ended, opened: AsyncExitStack
    ) -> Emit[Any] | Ended:
        while not isinstance(step, Emit | Ended):
            try:
                result = await self._done(step, opened)
            except Exception as error:
                step = advanced(flow, error=error)
            else:
                step = advanced(flow, result)
        return step

    async def _done(self, step: Step, opened: AsyncExitStack) -> Any:
        match step:
            case Send():
                return await self._sent(step, opened)
            case Read():
                return await _read(step.answer)
            case Sleep():
                return await asyncio.sleep(step.seconds)
            case Alone():
                async with self._locks[step.lock]:
                    return await self.run(step.flow)
            case Ask():
                result = step.function(*step.arguments)
                return await result if inspect.isawaitable(result) else result
            case Emit():
                raise AssertionError("this step is yielded")

    async def _sent(self, step: Send, opened: AsyncExitStack) -> Answer:
        check_is_open(self._http)
        content: Any = step.content
        if isinstance(content, Upload):
            content = _lines(content)
        try:
            async with asyncio.timeout(None if step.stream or isinstance(step.content, Upload) else step.seconds):
                response = await self._http.send(request_of(self._http, step, content), stream=True)
                if step.stream:
                    await opened.aclose()  # a flow reads one stream at a time
                    opened.push_async_callback(response.aclose)
                    return Answer(response.status_code, headers_of(response), b"", response.aiter_bytes())
                try:
                    return Answer(response.status_code, headers_of(response), await response.aread())
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise Broken("the answer is too slow", timed_out=True) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise broken(error) from error


async def _read(answer: Answer) -> bytes | None:
    try:
        part: bytes | None = await anext(answer.stream, None)
        return part
    except httpx.HTTPError as error:
        raise broken(error) from error


async def _lines(upload: Upload) -> AsyncIterator[bytes]:
    if isinstance(upload.items, AsyncIterable):
        number = upload.first
        async for item in upload.items:
            yield upload.encode(number, item)
            number += 1
    else:
        for line in lines(upload):
            yield line
