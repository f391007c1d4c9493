"""Functions for tests that deploy a function, call it, and read its logs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.deployments import Bundle, FunctionConfig, Version
from bunbase.contracts.functions.invocations import Chunk, Head, Invocation, Receiving
from bunbase.contracts.functions.logs import LogFilter, LogLine
from bunbase.contracts.functions.service import Functions
from tests.rooms import member_caller, secret_caller

PROJECT = "prj_one"
MEMBER = member_caller(PROJECT)
SERVER = secret_caller(PROJECT)
DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    head: Head
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def bundle(body: str, **config: Any) -> Bundle:
    """Return a bundle with the handler `body`, such as `(req, ctx) => …`."""
    return Bundle(f"module.exports.default = {body}".encode(), None, msgspec.convert(config, FunctionConfig))


def returning(text: str) -> str:
    return f"() => new Response({text!r})"


async def deploy(functions: Functions, name: str, body: str, **config: Any) -> Version:
    return await functions.deploy(MEMBER, name, bundle(body, **config))


async def delete_all(functions: Functions, by: Caller = MEMBER) -> None:
    """Delete everything that a test has made in the project, so that the next test can use the service."""
    for left in (await functions.functions(by, 100, None)).items:
        await functions.delete_function(by, left.name)
    await functions.drop_project(by.project)


def request(path: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> Invocation:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Invocation(method, path, named, body)


def invoke(
    functions: Functions, name: str, what: Invocation | None = None, caller: Caller = SERVER
) -> AsyncGenerator[Receiving | Head | Chunk, None]:
    """Return the parts of the answer as a generator. A test can close it to simulate a client that disconnects."""
    return cast("AsyncGenerator[Receiving | Head | Chunk, None]", functions.invoke(caller, name, what or request()))


async def call(functions: Functions, name: str, what: Invocation | None = None, caller: Caller = SERVER) -> Answer:
    parts = invoke(functions, name, what, caller)
    head = await anext(parts)
    assert isinstance(head, Head)
    body = head.body or b""
    async for part in parts:
        assert isinstance(part, Chunk)
        body += part.data
    return Answer(head, body)


async def log_of(functions: Functions, name: str, invocation: str | None = None) -> list[LogLine]:
    """Return the log lines, oldest first."""
    page = await functions.logs(MEMBER, name, 500, None, LogFilter(invocation=invocation))
    return list(reversed(page.items))


async def said(functions: Functions, name: str, text: str) -> None:
    """Poll until the function has printed the line."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while all(line.text != text for line in await log_of(functions, name)):
        assert time.monotonic() < deadline, "the function did not print the line in time"
        await asyncio.sleep(0.01)


async def until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        await asyncio.sleep(0.01)
