"""Sign in by another service in a browser: `bunbase login --provider` (RFC 8252).

The command listens on a port of this machine and opens a browser. At the end, the browser sends a code to this port.
The code is useless without the PKCE verifier, which never leaves the command.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from bunbase.cli.errors import Failure, Usage
from bunbase.cli.http import Call, Http, decode
from bunbase.cli.output import Output
from bunbase.contracts.bunauth.identities import LoginProviders

WAIT_SECONDS: Final = 600.0
READ_SECONDS: Final = 5.0
MAX_CODE_LENGTH: Final = 200
PATH: Final = "/signed-in"
DONE: Final = "You can close this window and go back to the terminal.\n"
REASONS: Final = {
    "access_denied": "The sign-in was refused in the browser.",
    "provider_error": "The provider did not answer as expected; the log of the server has the reason.",
}


class Callback(HTTPServer):
    """Receives the browser's request on a free port. `outcome`: the parameters of the request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.outcome: dict[str, str] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{PATH}"

    def wait(self, seconds: float) -> dict[str, str]:
        """Return the parameters. Raises: Failure if the browser sends no request in time."""
        deadline = time.monotonic() + seconds
        while not self.outcome:
            self.timeout = deadline - time.monotonic()
            if self.timeout <= 0:
                raise Failure("timeout", "The sign-in did not finish in the browser. Run the command again.")
            self.handle_request()
        return self.outcome


class Handler(BaseHTTPRequestHandler):
    timeout = READ_SECONDS
    server: Callback

    def do_GET(self) -> None:
        """Accept the code. Refuse every other path, because any web page can send requests to this port."""
        parts = urlsplit(self.path)
        found = {name: values[0][:MAX_CODE_LENGTH] for name, values in parse_qs(parts.query).items()}
        known = parts.path == PATH and ("code" in found or "error" in found)
        if known and not self.server.outcome:
            self.server.outcome = found
        self.send_response(200 if known else 404)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("cache-control", "no-store")
        self.end_headers()
        self.wfile.write((DONE if known else "Not found\n").encode())

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: the line would contain the code."""


def check_provider(http: Http, provider: str) -> None:
    """Check the name of the provider before a browser opens. Raises: Usage.

    The command cannot see the error that a wrong name would cause in the browser.
    """
    names = [one.name for one in decode(http.send(Call("GET", "/api/auth/providers")), LoginProviders).items]
    if provider not in names:
        known = f"Choose one of: {', '.join(names)}." if names else "This server has no providers."
        raise Usage(f"There is no sign-in provider {provider!r}. {known}")


def sign_in_by_provider(url: str, provider: str, out: Output) -> Call:
    """Open a browser, wait until the person has signed in, and return the request that fetches the tokens.

    Raises: Failure.
    """
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with Callback() as callback:
        query = urlencode({"redirect_to": callback.address, "code_challenge": challenge})
        start = f"{url}/api/auth/oauth/{quote(provider, safe='')}/start?{query}"
        out.hint(f"Sign in in the browser. If none opens, open this address on this machine: {start}")
        webbrowser.open(start)
        outcome = callback.wait(WAIT_SECONDS)
    if "code" not in outcome:
        error = outcome["error"] if outcome["error"] in REASONS else "provider_error"
        raise Failure(error, REASONS[error])
    return Call("POST", "/api/auth/oauth/exchange", json={"code": outcome["code"], "verifier": verifier})
