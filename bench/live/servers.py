"""A measured server, and BunBase with two collections: `open`, which everybody may read, and `ruled`."""

from __future__ import annotations

import base64
import json
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from bench.data.running import client, free_port, posted, running, until_up
from bench.data.work import ACCOUNT

TEXT: Final = "a document of a chat, of the usual size, " * 4
JSON: Final = {"content-type": "application/json"}
COLLECTIONS: Final = ("open", "ruled")
MANY: Final = "10000"  # With 20,000 open files, a larger value would lower the limit for one address.


class Feed(msgspec.Struct, frozen=True):
    """One kind of live connection. `hello`: the first text that each socket sends.

    `steps`: pairs of a text to wait for and the text to send then. After the last step, the socket listens. If a text
    begins with POST, it is a separate request; its `{id}` is the group of `id_in`. `method`, `path`, `body`: the
    request of each write; MARK in the body is replaced by a new text each time.
    """

    hello: str
    steps: tuple[tuple[str, str], ...]
    method: str
    path: str
    headers: dict[str, str]
    body: str
    id_in: str = ""


class Server(msgspec.Struct, frozen=True):
    """A measured server. `process`: the text that the command lines of its processes contain.

    `feeds`: the live connections, by name of the collection; a server without rules has no `ruled`.
    """

    name: str
    url: str
    process: str
    feeds: dict[str, Feed]
    notes: str


@contextmanager
def bunbase(home: Path) -> Iterator[Server]:
    port = free_port()
    url, data = f"http://127.0.0.1:{port}", str(home / "data")
    settings = {
        "BUNBASE_PORT": str(port),
        "BUNBASE_DATA_DIR": data,
        "BUNBASE_GATEWAY__MAX_CONNECTIONS": "1000",
        "BUNBASE_GATEWAY__MAX_CONNECTIONS_PER_ADDRESS": "1000",
        "BUNBASE_LIVE__MAX_CONNECTIONS": MANY,
        "BUNBASE_LIVE__MAX_CONNECTIONS_PER_ADDRESS": MANY,
        "BUNBASE_LIVE__MAX_CONNECTIONS_PER_PROJECT": MANY,
        "BUNBASE_LIVE__MAX_UNAUTHENTICATED": MANY,
        "BUNBASE_LIVE__BEGINS_PER_SECOND": MANY,
    }
    with running([Path(sys.executable).with_name("bunbase"), "dev"], home, settings), client(url) as http:
        until_up(http, "/api/ready")
        http.headers["authorization"] = f"Bearer {posted(http, '/api/auth/register', ACCOUNT)['access_token']}"
        keys = {key["kind"]: key["key"] for key in posted(http, "/api/projects", {"name": "bench"})["keys"]}
        secret = {"x-bunbase-key": keys["secret"]}
        with client(url, secret) as server:
            for name, rule in zip(COLLECTIONS, ("true", "doc.n > 0"), strict=True):
                server.put(f"/v1/collections/{name}", json={"rules": {"list": rule}}).raise_for_status()
                server.put(f"/v1/data/{name}/one", json={"n": 1, "text": TEXT, "mark": "first"}).raise_for_status()
        yield Server(
            "BunBase",
            url,
            data,
            {name: _of_bunbase(name, port, keys["publishable"], secret) for name in COLLECTIONS},
            f"BunBase: `bunbase dev`, all rooms in one process, Python {platform.python_version()}; WebSocket, a query"
            " with sort and limit; encrypted, waits for fsync",
        )


def _of_bunbase(name: str, port: int, key: str, secret: dict[str, str]) -> Feed:
    auth = masked(json.dumps({"t": "auth", "key": key}))
    watch = masked(json.dumps({"t": "watch", "id": 1, "query": {"collection": name, "sort": ["-n"], "limit": 10}}))
    return Feed(
        upgrade(port, "/v1/live", "bunbase.live.v1"),
        ((" 101 ", auth), ('"t":"hello"', watch), ('"t":"now"', "")),
        "PATCH",
        f"/v1/data/{name}/one",
        secret | JSON,
        json.dumps({"mark": "MARK"}),
    )


def upgrade(port: int, path: str, protocol: str = "") -> str:
    """Return the request that opens a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
        + (f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n" if protocol else "\r\n")
    )


def masked(text: str) -> str:
    """Return a text frame of a client. The mask of the frame is zero, so that the text is not changed."""
    size = len(text)
    head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
    return (head + bytes(4)).decode("latin-1") + text
