"""A small server of sessions that is stricter than BunBase: a second use of a refresh token ends everything.

Because of this, a client that renews twice by mistake is signed out at once. The server counts its requests, and fails
when a test asks for it: `POST /control {…}` changes the `State`, and `GET /control` returns it with the counts.
"""

from __future__ import annotations

import itertools
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

TYPES = {".js": "text/javascript", ".html": "text/html", ".map": "application/json", ".mjs": "text/javascript"}


class State(msgspec.Struct):
    """`ttl` is the lifetime of access tokens in seconds. `refresh` is the answer to a refresh (`ok`, or a fault).

    `reuse` is the effect of a second use of a refresh token: `end` ends the session, `refuse` refuses the token, and
    `same` returns the same pair until a token of the pair was used, as BunBase does. `user` is the user who signs in.
    """

    ttl: int = 900
    reuse: str = "end"
    refresh: str = "ok"
    logout: str = "ok"
    delay_ms: int = 0
    user: str = "eve"
    refreshes: int = 0
    reuses: int = 0
    anonymous: int = 0
    requests: int = 0
    logouts: list[str] = []


class StrictServer(ThreadingHTTPServer):
    """A server of sessions and files.

    By the first part of the path, `files` has folders that it serves to its pages.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, files: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.files = files
        self.pages: dict[str, str] = {}
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.reset()

    def reset(self) -> None:
        """Forget all sessions and counts."""
        self.state = State()
        self.access: set[str] = set()
        self.refresh: set[str] = set()
        self.children: dict[str, dict[str, Any]] = {}

    def pair(self) -> dict[str, Any]:
        number = next(self.numbers)
        self.access, self.refresh = {f"access{number}"}, {f"refresh{number}"}
        name = self.state.user
        user = {"id": f"usr_{name}", "email": f"{name}@example.com", "anonymous": False, "claims": {}, "data": {}}
        tokens = {"access_token": f"access{number}", "refresh_token": f"refresh{number}", "expires_in": self.state.ttl}
        return {"user": user, **tokens}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StrictServer

    def log_message(self, format: str, *args: Any) -> None: ...

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        if self.command == "OPTIONS":
            return self.reply(204, b"")
        if not path.startswith(("/v1/", "/control")):
            return self.file(path)
        sent = msgspec.json.decode(body) if body else {}
        if path == "/v1/auth/refresh" and self.server.state.delay_ms:
            time.sleep(self.server.state.delay_ms / 1000)
        with self.server.lock:
            status, answer = self.answered(path, sent)
        if status == 0:  # The server answers as if there was no network.
            self.close_connection = True
            return None
        if isinstance(answer, str):
            return self.reply(status, answer.encode(), "text/html")
        return self.reply(
            status, msgspec.json.encode(answer), "application/problem+json" if status >= 400 else "application/json"
        )

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 - http.server wants these names

    def answered(self, path: str, sent: Any) -> tuple[int, Any]:
        server, state = self.server, self.server.state
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if path == "/control/reset":
            server.reset()
            return 200, {}
        if path == "/control":
            for name, value in sent.items():
                setattr(state, name, value)
            return 200, state
        if path == "/control/expire":  # The access token ends early, as after a change of the user.
            server.access = set()
            return 200, {}
        if path == "/v1/auth/login":
            return 200, server.pair()
        if path == "/v1/auth/logout":
            state.logouts.append(bearer)
            return FAULTS[state.logout] if state.logout != "ok" else (200, {})
        if path == "/v1/auth/refresh":
            return self.refreshed(sent["refresh_token"])
        state.requests += 1
        state.anonymous += not bearer
        if bearer and bearer not in server.access:
            return 401, {"code": "token_expired", "status": 401}
        if bearer:
            server.children = {}
        return 200, {"items": [], "next": None, "bearer": bearer}

    def refreshed(self, token: str) -> tuple[int, Any]:
        server, state = self.server, self.server.state
        state.refreshes += 1
        if state.refresh != "ok":
            return FAULTS[state.refresh]
        if token in server.children and state.reuse == "same":
            return 200, server.children[token]
        if token not in server.refresh:
            state.reuses += 1
            if state.reuse == "end":
                server.access, server.refresh = set(), set()
            return 401, {"code": "token_reused", "status": 401}
        server.children = {token: server.pair()}
        return 200, server.children[token]

    def file(self, path: str) -> None:
        if path in self.server.pages:
            return self.reply(200, self.server.pages[path].encode(), "text/html")
        first, _, rest = path.lstrip("/").partition("/")
        file = self.server.files.get(first, Path("/nonexistent")) / rest
        if not file.is_file():
            return self.reply(404, b"")
        return self.reply(200, file.read_bytes(), TYPES.get(file.suffix, "text/plain"))

    def reply(self, status: int, body: bytes, type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Methods", "*")
        self.send_header("Access-Control-Allow-Headers", "*, Authorization")
        self.send_header("Access-Control-Expose-Headers", "*")
        if status != 204:
            self.send_header("Content-Type", type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


FAULTS: dict[str, tuple[int, Any]] = {
    "offline": (0, None),
    "500": (500, {"code": "internal", "status": 500}),
    "429": (429, {"code": "rate_limited", "status": 429}),
    "captive": (200, "<h1>Welcome to the airport</h1>"),
    "captive-403": (403, "<h1>Pay first</h1>"),
    "invalid_key": (401, {"code": "invalid_key", "status": 401}),
    "banned": (403, {"code": "user_banned", "status": 403}),
}
