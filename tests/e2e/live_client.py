"""A client for end-to-end tests that knows only docs/live-protocol.md, and keeps the results of its watches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

SECONDS = 20.0
SUBPROTOCOL: Any = "bunbase.live.v1"


@dataclass
class Result:
    """The result of one watch. `told`: the number of diffs and results that arrived."""

    g: str = ""
    turn: int = 0
    docs: list[dict[str, Any]] = field(default_factory=list)
    n: int | None = None
    told: int = 0

    @property
    def ids(self) -> list[str]:
        return [document["_id"] for document in self.docs]

    def apply(self, message: dict[str, Any]) -> None:
        put = message.get("put", [])
        away = {*message.get("gone", []), *(document["_id"] for _, document in put)}
        self.docs = [document for document in self.docs if document["_id"] not in away]
        for index, document in put:
            self.docs.insert(index, document)
        self.n = message.get("n", self.n)
        self.turn = message["turn"]
        self.told += 1


class LiveClient:
    """A client. `results`: the results by the number of the watch. `raw`: all messages that the server has sent.
    `others`: other messages.
    """

    def __init__(self, url: str, key: str = "", token: str = "", **options: Any) -> None:
        options.setdefault("subprotocols", [SUBPROTOCOL])
        address = url.replace("http", "ws", 1) + "/v1/live"
        self.stack = ExitStack()
        self.socket: ClientConnection = self.stack.enter_context(
            connect(address, proxy=None, compression=None, max_size=None, **options)
        )
        self.results: dict[int, Result] = {}
        self.at = ""
        self.barriers = 0
        self.raw = ""
        self.others: list[dict[str, Any]] = []
        self.closed: tuple[int | None, str] | None = None
        if key:
            self.sign_in(key, token)
            self.hello = self.expect("hello")

    def sign_in(self, key: str, token: str = "", **more: Any) -> None:
        self.send({"t": "auth", "key": key, **({"token": token} if token else {}), **more})

    def send(self, message: Any) -> None:
        self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def watch(self, id: int, collection: str, **query: Any) -> Result:
        """Watch a query, and wait for its result and the next barrier."""
        self.send({"t": "watch", "id": id, "query": {"collection": collection, **query}})
        return self.started(id)

    def started(self, id: int) -> Result:
        self.until(lambda: id in self.results and self.at)
        return self.results[id]

    def expect(self, kind: str, **members: Any) -> dict[str, Any]:
        """Remove and return the next message of this type with these members."""
        wanted = members.items()

        def found() -> dict[str, Any] | None:
            fits = (one for one in self.others if one["t"] == kind and wanted <= one.items())
            return next(fits, None)

        self.until(found)
        message = found()
        assert message is not None
        self.others.remove(message)
        return message

    def until(self, true: Callable[[], Any], seconds: float = SECONDS) -> None:
        """Read messages until the condition is true. Raises: AssertionError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not true():
            assert self.closed is None, f"closed: {self.closed}, {self.raw[-1000:]}"
            assert time.monotonic() < deadline, f"it did not happen: {self.raw[-1000:]}"
            self.read(0.2)

    def read(self, seconds: float) -> bool:
        """Read for at most this long. Return False if no message came."""
        try:
            text = self.socket.recv(timeout=seconds)
        except TimeoutError:
            return False
        except ConnectionClosed as end:
            self.closed = (end.rcvd.code, end.rcvd.reason) if end.rcvd else (None, "")
            return False
        assert isinstance(text, str)
        self.raw += text
        sent = json.loads(text)
        for message in sent if isinstance(sent, list) else [sent]:
            self._take(message)
        return True

    def quiet(self, seconds: float) -> str:
        """Return the messages that arrive in this time, without pings."""
        deadline, before = time.monotonic() + seconds, len(self.raw)
        while (left := deadline - time.monotonic()) > 0 and self.closed is None:
            self.read(left)
        return self.raw[before:]

    def wait_closed(self) -> tuple[int | None, str]:
        deadline = time.monotonic() + SECONDS
        while self.closed is None:
            assert time.monotonic() < deadline, "the connection stays open"
            self.read(0.2)
        return self.closed

    def close(self) -> None:
        self.stack.close()

    def _take(self, message: dict[str, Any]) -> None:
        match message["t"]:
            case "now" if message.get("resumed"):
                self.results[message["id"]].g = message["g"]
                self.results[message["id"]].apply(message)
            case "now":
                told = self.results[message["id"]].told if message["id"] in self.results else 0
                self.results[message["id"]] = Result(
                    message["g"], message["turn"], message["docs"], message.get("n"), told + 1
                )
            case "diff":
                for result in self.results.values():
                    if result.g == message["g"] and message["turn"] > result.turn:
                        assert message["turn"] == result.turn + 1, "a diff was lost"
                        result.apply(message)
            case "at":
                self.at = message["at"]
                self.barriers += 1
            case "ping":
                self.send({"t": "pong"})
                self.others.append(message)
            case "end":
                self.results.pop(message["id"], None)
                self.others.append(message)
            case _:
                self.others.append(message)
