"""Reads a request in cookie mode. For both lanes, the result depends only on the headers of the request.

A browser sends a cookie with every request to this host, even if a page of another site has caused the request. So a
cookie counts only if the request shows that a page of the app has sent it (`check_page`):

- Requests that change something need an Origin that the project allows, and the header `X-Bunbase-Csrf: 1`. No form and
  no page of another origin can send this header without a preflight. A server with the project's secret key has no
  Origin.
- Other requests may come without an Origin, because browsers omit it when they open a page. If a request has an Origin,
  it must be allowed. Requests for pictures, scripts and frames of other pages have no Origin either;
  `Sec-Fetch-Site` distinguishes them.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

import msgspec

from bunbase.pkg.errors import Malformed, Problem
from bunbase.pkg.own_cookies import own_cookie

CSRF_HEADER: Final = "x-bunbase-csrf"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# These values of Sec-Fetch-Site are allowed. `none` means a typed URL or a bookmark.
OURS: Final = frozenset({"", "same-origin", "none"})
NAVIGATE: Final = "navigate"
MAX_COOKIE: Final = 100  # A cookie has at most this many characters. A value of BunBase has 47.


class CsrfRefused(Problem):
    status, code, title = 403, "csrf_refused", "This request does not come from a page that may use the cookie"


class SentCookies(msgspec.Struct, frozen=True):
    """The headers of a request that decide about its cookie. A header is empty if the request does not have it.

    `secret`: true if the request has the secret key of the project, so a server has sent it.
    """

    method: str
    cookie: str
    origin: str = ""
    csrf: str = ""
    site: str = ""
    mode: str = ""
    secret: bool = False

    def value(self, project: str, public_url: str) -> str:
        """Return the value of the project's cookie, "" if there is no cookie. Raises: Malformed for two cookies.

        Another host of the same domain can add a cookie with the same name. With two such cookies, the gateway cannot
        know which cookie is its own.
        """
        name = own_cookie(project, public_url)
        if name not in self.cookie:
            return ""
        pairs = (pair.strip(" \t").partition("=") for pair in self.cookie.split(";"))
        values = [value for one, _, value in pairs if one == name]
        if len(values) > 1:
            raise Malformed(f"The request has two cookies {name}: another site of this domain has set one of them.")
        return values[0] if values else ""

    def check_page(self, allowed: Container[str]) -> None:
        """Check that the cookie may be used. `allowed`: the origins of the app's pages. Raises: CsrfRefused."""
        if self.method in SAFE:
            if self.origin:
                self.check_origin(allowed)
            elif self.site not in OURS and self.mode != NAVIGATE:
                raise CsrfRefused(
                    "Another site has embedded this address. Open it, or fetch it from a page of the app."
                )
            return
        if self.csrf != "1":
            raise CsrfRefused("Send the header X-Bunbase-Csrf: 1 with requests that change something by cookie.")
        if not (self.secret and not self.origin):
            self.check_origin(allowed)

    def check_origin(self, allowed: Container[str]) -> None:
        """Check that the page that has sent the request belongs to the app. Raises: CsrfRefused."""
        if self.origin not in allowed:
            if not self.origin:
                raise CsrfRefused(
                    "This request has no header Origin. Browsers set it when a page of the app sends the request. A "
                    "server that passes the cookie on sends the project's secret key too."
                )
            shown = self.origin[:100]
            raise CsrfRefused(f"The Origin of this request is {shown}: add the page's address to auth.redirect_urls.")


def is_plausible(value: str) -> bool:
    """True if a value can be a cookie of BunBase. Other values are not looked up."""
    return len(value) <= MAX_COOKIE and value.isascii() and value.replace("_", "").isalnum()
