"""Receives notes from other services: a POST with a signature, as Standard Webhooks describes it."""

from __future__ import annotations

from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bunbase_sdk import Client, Conflict, Denied, webhooks

MAX_BYTES = 64 * 1024


def serving(client: Client, secret: str, port: int) -> ThreadingHTTPServer:
    """Return the server that receives the webhook. `secret`: the secret that the sending service also has."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # the time in seconds in which a request must arrive

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length") or ""
            if not (length.isdecimal() and int(length) <= MAX_BYTES):
                self.answer(413)
                return
            try:
                event = webhooks.verify(self.rfile.read(int(length)), dict(self.headers.items()), secret)
                note = {"text": str(event.json()["text"])}
            except Denied:
                self.answer(401)  # the signature is wrong: somebody else sent the request
            except (ValueError, LookupError, TypeError):
                self.answer(400)
            else:
                with suppress(Conflict):  # the same message was delivered before
                    client.data.collection("notes").put(event.id or "", note, if_absent=True)
                self.answer(204)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing: the worker prints each note."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
