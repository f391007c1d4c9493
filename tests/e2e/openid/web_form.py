"""A browser without scripts: it follows redirects, keeps cookies, and sends the forms of pages."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin

import httpx

FORM = re.compile(r'<form method="post" action="([^"]+)">(.*?)</form>', re.DOTALL)
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


class Browser:
    """A browser. `own`: the address of the server.

    The browser returns addresses of other servers, and does not open them.
    """

    def __init__(self, own: str) -> None:
        self.own = own
        self.http = httpx.Client(trust_env=False, timeout=30)
        self.page: httpx.Response | None = None
        self.at = ""

    def open(self, url: str) -> str:
        """Open an address, and return the last address: a page of the server, or an address of another server."""
        return self._go(self.http.get(url))

    def send(self, action: str, headers: dict[str, str] | None = None, **fields: str) -> str:
        """Send the form of the page that leads to `action`, with its hidden fields."""
        assert self.page is not None
        forms = {unescape(path): dict(HIDDEN.findall(inside)) for path, inside in FORM.findall(self.page.text)}
        found = next(path for path in forms if path.startswith(action))
        sent = {name: unescape(value) for name, value in forms[found].items()} | fields
        own = {"origin": self.own, "sec-fetch-site": "same-origin"}
        return self._go(self.http.post(urljoin(self.own, found), data=sent, headers=own | (headers or {})))

    def _go(self, answer: httpx.Response) -> str:
        while answer.is_redirect:
            to = urljoin(str(answer.url), answer.headers["location"])
            if not to.startswith(f"{self.own}/"):
                self.at = to
                return to
            answer = self.http.get(to)
        self.page, self.at = answer, str(answer.url)
        return self.at
