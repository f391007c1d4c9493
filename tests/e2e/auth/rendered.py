"""An app that renders its pages on its own server: the browser never talks to BunBase.

The app's server signs users in with the secret key, gives the browser the cookie that BunBase sets, and sends the
cookie back to BunBase with each request. The server reads documents with the publishable key, so that rules decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

import httpx

from tests.e2e.auth.app import App

FORM = '<form method="post" action="/in"><input name="email"><input name="password"><button>Sign in</button></form>'
OUT = '<form method="post" action="/out"><button>Sign out</button></form>'


@contextmanager
def rendered_app(app: App) -> Iterator[str]:
    """Serve the app. Yield its address."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            me = self.ask("GET", "/v1/auth/me")
            if me.status_code != 200:
                self.answer(FORM, me)
                return
            id = me.json()["user"]["id"]
            note = self.ask("GET", f"/v1/data/notes/{id}")
            self.answer(f"<p>{escape(note.json().get('text', ''))}</p>{OUT}", me, note)

        def do_POST(self) -> None:
            fields = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            if self.headers["origin"] != self.server_origin():
                self.send_error(403)
            elif self.path == "/in":
                login = {name: values[0] for name, values in fields.items()}
                self.answer("", app.instance.http.post("/v1/auth/login?cookies=1", json=login, headers=app.server))
            else:
                self.answer("", self.ask("POST", "/v1/auth/logout"))

        def ask(self, method: str, path: str) -> httpx.Response:
            """Send a request to BunBase as the user of this browser."""
            headers = {"X-Bunbase-Key": app.key, "Cookie": self.headers.get("cookie", "")}
            if method != "GET":
                headers |= {"X-Bunbase-Csrf": "1", "Origin": self.server_origin()}
            with httpx.Client(base_url=app.instance.url) as http:
                return http.request(method, path, headers=headers)

        def answer(self, body: str, *received: httpx.Response) -> None:
            self.send_response(200 if body else 303)
            if not body:
                self.send_header("location", "/")
            for one in received:
                for cookie in one.headers.get_list("set-cookie"):
                    self.send_header("set-cookie", cookie)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def server_origin(self) -> str:
            return f"http://localhost:{http.server_port}"

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{http.server_port}"
        finally:
            http.shutdown()
