"""Carries out the steps of calls with `httpx.Client`, in the thread of the caller."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any, TypeVar

import httpx

from bunbase_sdk.connections import LIMITS, Ended, advanced, broken, check_is_open, headers_of, lines, request_of
from bunbase_sdk.core.flow import Alone, Answer, Ask, Broken, Emit, Flow, Items, Read, Send, Sleep, Step, Upload
from bunbase_sdk.proxies import sync_client

T = TypeVar("T")


class Driver:
    """Threads may share a driver. After a fork, the child opens its own connections: two processes cannot share one.

    `url`: the address of the server. `http`: a client of the caller, who must close it.
    """

    def __init__(self, url: str, http: httpx.Client | None = None) -> None:
        self._url = url
        self._given = http
        self._guard = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._http = self._given or sync_client(self._url, limits=LIMITS)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def close(self) -> None:
        """Close the connections. Idempotent."""
        if self._given is None and self._process == os.getpid():
            self._http.close()

    def run(self, flow: Flow[T]) -> T:
        """Return the result of a call. Raises: Problem."""
        if self._process != os.getpid():
            self._begin()
        items = self._steps(flow)
        try:
            while True:
                next(items)  # this kind of flow emits no items
        except StopIteration as end:
            result: T = end.value
            return result

    def items(self, flow: Items[T]) -> Iterator[T]:
        """Yield the items that a call emits. If the caller leaves the loop, the connection closes. Raises: Problem."""
        if self._process != os.getpid():
            self._begin()
        yield from self._steps(flow)

    def _steps(self, flow: Generator[Step, Any, Any]) -> Generator[Any, None, Any]:
        """Carry out each step, yield the items that the flow emits, and return the flow's result."""
        with closing(flow), ExitStack() as opened:
            step = advanced(flow)
            while not isinstance(step, Ended):
                if isinstance(step, Emit):
                    yield step.value
                    step = advanced(flow)
                    continue
                try:
                    result = self._done(step, opened)
                except Exception as error:
                    step = advanced(flow, error=error)
                else:
                    step = advanced(flow, result)
            return step.value

    def _done(self, step: Step, opened: ExitStack) -> Any:
        match step:
            case Send():
                return self._sent(step, opened)
            case Read():
                return _read(step.answer)
            case Sleep():
                return time.sleep(step.seconds)
            case Alone():
                with self._guard:
                    lock = self._locks[step.lock]
                with lock:
                    return self.run(step.flow)
            case Ask():
                return step.function(*step.arguments)
            case Emit():
                raise AssertionError("this step is yielded")

    def _sent(self, step: Send, opened: ExitStack) -> Answer:
        end = time.monotonic() + step.seconds
        check_is_open(self._http)
        content: Any = step.content
        if isinstance(content, Upload):
            content = lines(content)
        try:
            response = self._http.send(request_of(self._http, step, content), stream=True)
            if step.stream:
                opened.close()  # a flow reads one stream at a time
                opened.callback(response.close)
                return Answer(response.status_code, headers_of(response), b"", response.iter_bytes())
            with closing(response):
                parts = []
                for part in response.iter_bytes():
                    parts.append(part)
                    if time.monotonic() > end and not isinstance(step.content, Upload):
                        raise Broken("the answer is too slow", timed_out=True)
                return Answer(response.status_code, headers_of(response), b"".join(parts))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise broken(error) from error


def _read(answer: Answer) -> bytes | None:
    try:
        part: bytes | None = next(answer.stream, None)
        return part
    except httpx.HTTPError as error:
        raise broken(error) from error
