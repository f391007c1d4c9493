"""The parts that both drivers share: the settings of connections, and the steps of a flow."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from bunbase_sdk.core.flow import Broken, Send, Step, Upload
from bunbase_sdk.problem import Problem, invalid_value

LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30)


@dataclass(frozen=True, slots=True)
class Ended:
    """A flow that has returned a value."""

    value: Any


def advanced(flow: Generator[Step, Any, Any], result: object = None, error: Exception | None = None) -> Step | Ended:
    """Return the next step of a flow, or its end. `error`: the error of the previous step."""
    try:
        return flow.send(result) if error is None else flow.throw(error)
    except StopIteration as end:
        return Ended(end.value)


def check_is_open(client: httpx.Client | httpx.AsyncClient) -> None:
    """Raises: Problem `client_closed`."""
    if client.is_closed:
        raise Problem("client_closed", "The client is closed. Make the call before the end of its with statement.")


def broken(error: httpx.HTTPError | httpx.InvalidURL) -> Broken:
    """Return the exception that a flow gets for a request without an answer."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Broken(reason, timed_out=isinstance(error, httpx.TimeoutException))


def headers_of(response: httpx.Response) -> Mapping[str, str]:
    """Return the headers, with names in lower case."""
    return dict(response.headers.items())


def lines(upload: Upload) -> Iterator[bytes]:
    """Yield the bytes of each item. Raises: Problem, for items that only asyncio can iterate over."""
    if not isinstance(upload.items, Iterable):
        raise invalid_value("items", f"A {type(upload.items).__name__} is no iterable.")
    for number, item in enumerate(upload.items, upload.first):
        yield upload.encode(number, item)


def request_of(client: httpx.Client | httpx.AsyncClient, step: Send, content: Any) -> httpx.Request:
    """Return the request of a step. The timeout applies to each part; the driver also limits the total time."""
    return client.build_request(
        step.method, step.url, headers=dict(step.headers), content=content, timeout=httpx.Timeout(step.seconds)
    )
