"""A service on loopback that checks captchas. The service uses the documented protocol of Turnstile and hCaptcha:

- a form is posted to it with `secret` and `response`, and may have `remoteip` and `sitekey`;
- the answer has the status 200 and JSON with `success`, and `error-codes` if it is false;
- a token is accepted once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl

SECRET: Final = "the secret key of the site"
RIGHT: Final = "right-"  # Tokens of people begin with this.


class SiteVerify:
    """The service. `asked` has the received forms.

    If `answer` is set, the service sends it with the status `status`, instead of the result.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, str]] = []
        self.used: set[str] = set()
        self.status = 200
        self.answer: bytes | None = None

    def verdict(self, sent: dict[str, str]) -> dict[str, Any]:
        token = sent.get("response", "")
        if sent.get("secret") != SECRET:
            return {"success": False, "error-codes": ["invalid-input-secret"]}
        if not token.startswith(RIGHT):
            return {"success": False, "error-codes": ["invalid-input-response"]}
        if token in self.used:
            return {"success": False, "error-codes": ["timeout-or-duplicate"]}
        self.used.add(token)
        return {"success": True, "error-codes": [], "challenge_ts": "2026-11-29T18:00:00Z", "hostname": "localhost"}


@contextmanager
def site_verify() -> Iterator[SiteVerify]:
    service = SiteVerify()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            assert self.headers["content-type"] == "application/x-www-form-urlencoded"
            service.asked.append(dict(parse_qsl(body, strict_parsing=True)))
            answer = service.answer
            if answer is None:
                answer = json.dumps(service.verdict(service.asked[-1])).encode()
            self.send_response(service.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        service.url = f"http://127.0.0.1:{http.server_port}/siteverify"
        try:
            yield service
        finally:
            http.shutdown()
