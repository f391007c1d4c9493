"""A model of a client with three transports.

The model knows only docs/live-protocol.md, and builds results from messages.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Doc = dict[str, Any]
Message = dict[str, Any]

OPEN_SECONDS = 20.0
SUBPROTOCOL: Any = "bunbase.live.v1"


class Gone(Exception):
    """The connection has ended."""


class Line(Protocol):
    """A connection that carries messages."""

    async def open(self, auth: Message, resume: str) -> None: ...

    async def send(self, message: Message) -> None:
        """Send a message. Raises: Gone."""
        ...

    def messages(self) -> AsyncIterator[Message]: ...

    async def cut(self) -> None:
        """Close the connection without a message."""
        ...


class WebSocketLine:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.url = str(http.base_url).replace("http", "ws", 1).rstrip("/") + "/v1/live"
        self.socket: ClientConnection | None = None

    async def open(self, auth: Message, resume: str) -> None:
        self.socket = await connect(
            self.url, subprotocols=[SUBPROTOCOL], open_timeout=OPEN_SECONDS, ping_interval=None, max_size=8 << 20
        )
        await self.send({"t": "auth", **auth, **({"resume": resume} if resume else {})})

    async def send(self, message: Message) -> None:
        assert self.socket is not None
        try:
            await self.socket.send(json.dumps(message))
        except ConnectionClosed:
            raise Gone from None

    async def messages(self) -> AsyncIterator[Message]:
        assert self.socket is not None
        with suppress(ConnectionClosed):
            async for text in self.socket:
                for message in listed(text):
                    yield message

    async def cut(self) -> None:
        if self.socket is not None:
            self.socket.transport.abort()


class EventLine:
    """Server-sent events: an answer that streams, and separate requests that send more messages."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.answer: httpx.Response | None = None
        self.headers: dict[str, str] = {}
        self.name = ""

    async def open(self, auth: Message, resume: str) -> None:
        self.headers = headers_of(auth)
        accept = {"Accept": "text/event-stream"}
        body = {"send": [], **({"resume": resume} if resume else {})}
        request = self.http.build_request("POST", "/v1/live", json=body, headers={**self.headers, **accept})
        self.answer = await self.http.send(request, stream=True)
        if not self.answer.is_success:
            raise Gone(str(await self.answer.aread()))

    async def send(self, message: Message) -> None:
        if message["t"] == "auth":
            self.headers = headers_of(message)
        with suppress(httpx.HTTPError):
            answer = await self.http.post(f"/v1/live/{self.name}", json={"send": [message]}, headers=self.headers)
            if answer.status_code == 204:
                return
        raise Gone

    async def messages(self) -> AsyncIterator[Message]:
        assert self.answer is not None
        data: list[str] = []
        with suppress(httpx.HTTPError, RuntimeError):
            async for line in self.answer.aiter_lines():
                if line.startswith("data:"):
                    data.append(line[5:])
                elif not line and data:
                    for message in listed("\n".join(data)):
                        self.name = message.get("conn", self.name)
                        yield message
                    data = []

    async def cut(self) -> None:
        if self.answer is not None:
            await self.answer.aclose()


class PollLine:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.headers: dict[str, str] = {}
        self.name = ""
        self.first: list[Message] = []
        self.closed = False

    async def open(self, auth: Message, resume: str) -> None:
        self.headers = headers_of(auth)
        self.first = await self._poll({"send": [], **({"resume": resume} if resume else {})})

    async def send(self, message: Message) -> None:
        if message["t"] == "auth":
            self.headers = headers_of(message)
        with suppress(httpx.HTTPError):
            answer = await self.http.post(f"/v1/live/{self.name}", json={"send": [message]}, headers=self.headers)
            if answer.status_code == 204:
                return
        raise Gone

    async def messages(self) -> AsyncIterator[Message]:
        for message in self.first:
            yield message
        with suppress(Gone, httpx.HTTPError):
            while not self.closed:
                for message in await self._poll({"conn": self.name, "send": []}):
                    yield message

    async def cut(self) -> None:
        self.closed = True

    async def _poll(self, body: Message) -> list[Message]:
        answer = await self.http.post("/v1/live/poll", json=body, headers=self.headers, timeout=40)
        if not answer.is_success:
            raise Gone(answer.text)
        found: Message = answer.json()
        self.name = found["conn"]
        messages: list[Message] = found["messages"]
        return messages


LINES: dict[str, Callable[[httpx.AsyncClient], Line]] = {
    "websocket": WebSocketLine,
    "sse": EventLine,
    "poll": PollLine,
}


class Held:
    """One watch. `said`: the messages that arrived for the watch since the last barrier.

    `before`: the ids that the watch has held since the last barrier.
    """

    def __init__(self, asked: Message, docs: list[Doc]) -> None:
        self.asked = asked
        self.docs = docs
        self.n: int | None = None
        self.group = ""
        self.turn = 0
        self.started = False
        self.unsure = False  # The caller has changed, and the next messages may still be for the previous caller.
        self.said: list[Message] = []
        self.before: set[str] = set()


class Client:
    """One connection of one caller. `on_barrier` is called at each barrier; `ended` has the problems of watches."""

    def __init__(self, line: Line, auth: Message, on_barrier: Callable[[Client], None]) -> None:
        self.line = line
        self.auth = auth
        self.on_barrier = on_barrier
        self.held: dict[int, Held] = {}
        self.ended: dict[int | None, Message] = {}
        self.at = self.at_before = ""
        self.name = ""
        self.revoked = False
        self.bye: Message | None = None
        self.checks = 0
        self.gone = asyncio.Event()
        self.begun = asyncio.Event()
        self.fault: BaseException | None = None
        self.reading: asyncio.Task[None] | None = None

    async def open(self, resume: str = "") -> None:
        """Open a connection. Raises: Gone, TimeoutError."""
        await self.line.open(self.auth, resume)
        self.reading = asyncio.create_task(self._read())
        waits = [asyncio.create_task(self.begun.wait()), asyncio.create_task(self.gone.wait())]
        done, rest = await asyncio.wait(waits, timeout=OPEN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for one in rest:
            one.cancel()
        if not done:
            raise TimeoutError("no hello")
        if not self.begun.is_set():
            raise Gone(str(self.bye))

    async def watch(self, number: int, held: Held, resume: Message) -> None:
        """Watch a query. Raises: Gone."""
        self.held[number] = held
        await self.line.send({"t": "watch", "id": number, **held.asked, **resume})

    async def unwatch(self, number: int) -> None:
        del self.held[number]
        await self.line.send({"t": "unwatch", "id": number})

    async def cut(self) -> None:
        await self.line.cut()
        if self.reading is not None:
            self.reading.cancel()
            await asyncio.wait([self.reading])

    async def _read(self) -> None:
        try:
            async for message in self.line.messages():
                if message["t"] == "ping":
                    with suppress(Gone):
                        await self.line.send({"t": "pong"})
                self.take(message)
        except Exception as error:
            self.fault = error
        finally:
            self.gone.set()

    def take(self, message: Message) -> None:
        match message["t"]:
            case "hello":
                self.name = message["conn"]
                self.begun.set()
            case "now":
                self._start(message)
            case "diff":
                for held in self.held.values():
                    if held.group == message["g"]:
                        self._follow(held, message)
            case "at" | "ping" if "at" in message:
                self.at_before, self.at = self.at, message["at"]
                if message["t"] == "at":
                    self.on_barrier(self)
            case "check":
                for held in self.held.values():
                    if (held.group, held.turn) == (message["g"], message["turn"]):
                        assert message["n"] == len(held.docs), "the check counts other documents"
                        self.checks += 1
            case "end" | "error":
                self.ended[message["id"]] = message["problem"]
                self.held.pop(message["id"], None)
            case "auth":
                self.revoked = self.revoked or message["why"] == "revoked"
            case "bye":
                self.bye = message
            case _:
                pass

    def _start(self, message: Message) -> None:
        held = self.held.get(message["id"])
        if held is None:
            return  # The watch was withdrawn meanwhile.
        held.group, held.turn, held.started = message["g"], message["turn"], True
        held.before |= {doc["_id"] for doc in held.docs}
        if message.get("resumed"):
            change(held.docs, message)
        else:
            held.docs[:] = message["docs"]
        held.n = message.get("n")
        held.said.append(message)

    def _follow(self, held: Held, message: Message) -> None:
        if message["turn"] <= held.turn:
            return
        assert message["turn"] == held.turn + 1, f"a gap: {message['turn']} after {held.turn}"
        held.turn = message["turn"]
        held.before |= {doc["_id"] for doc in held.docs}
        change(held.docs, message)
        held.n = message.get("n", held.n)
        held.said.append(message)


def change(docs: list[Doc], message: Message) -> None:
    put = message.get("put", [])
    out = {*message.get("gone", []), *(doc["_id"] for _, doc in put)}
    docs[:] = [doc for doc in docs if doc["_id"] not in out]
    for index, doc in put:
        assert index <= len(docs), "a document is put behind the end"
        docs.insert(index, doc)


def listed(text: str | bytes) -> list[Message]:
    found = json.loads(text)
    return found if isinstance(found, list) else [found]


def headers_of(auth: Message) -> dict[str, str]:
    token = auth.get("token")
    return {"X-Bunbase-Key": auth["key"], **({"Authorization": f"Bearer {token}"} if token else {})}
