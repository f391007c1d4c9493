"""Serve pages: routes that show a page or act on its form, and that answer errors as pages too.

A GET shows a form and changes nothing, because mail servers and mail programs open links before people do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from bunbase.pkg.errors import Forbidden, Problem
from bunbase.pkg.modules import Site
from bunbase.pkg.own_cookies import is_https, own_cookie
from bunbase.pkg.own_pages import is_own_page
from bunbase.pkg.web_pages import copying, passkeys
from bunbase.pkg.web_pages.forms import MAX_FORM_BYTES, read_form
from bunbase.pkg.web_pages.layout import HEADERS, with_accent

AnyRequest = Request[Any, Any, Any]
Html = Response[str]
# The arguments are the title, the text and the path of the request. The result is the page of an error.
Failed = Callable[[str, str, str], str]

THIS_MACHINE: Final = frozenset(["localhost", "127.0.0.1", "::1"])
# This is a value of Sec-Fetch-Site. Browsers send this header to https and to this machine.
SAME_ORIGIN: Final = "same-origin"
PRIVATE: Final = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
UNREADABLE: Final = "This request could not be read"
OPEN_AGAIN: Final = "Open the link of the mail once more, or ask for a new mail."


class ShownAsPage(Exception):
    """Ends a request with a page."""

    def __init__(self, page: Html) -> None:
        self.page = page


def show_page(_request: AnyRequest, shown: ShownAsPage) -> Html:
    return shown.page


# A route that shows pages has these options.
SHOWS_PAGES: Final[dict[str, Any]] = {"exception_handlers": {ShownAsPage: show_page}}


class PageRoutes:
    """Makes the routes of the pages of a room. These routes are not part of the OpenAPI document.

    `advice`: the advice for a person whose request could not be read.
    """

    def __init__(self, failed: Failed, advice: str = OPEN_AGAIN) -> None:
        self.failed = failed
        self.advice = advice
        handlers = {Problem: self.on_problem, HTTPException: self._on_refusal}
        self.options: dict[str, Any] = {"include_in_schema": False, "exception_handlers": handlers}

    def shows(self, path: str) -> get:
        return get(path, **self.options)

    def acts(self, path: str) -> post:
        return post(path, status_code=200, request_max_body_size=MAX_FORM_BYTES, **self.options)

    @contextmanager
    def shown_to_browsers(self, request: AnyRequest) -> Iterator[None]:
        """Show a Problem as a page if a person opened the address in a browser. Other clients get the Problem itself.

        This is for a route of the OpenAPI document to which another site sends the browsers of people.
        """
        try:
            yield
        except Problem as problem:
            if not is_opened_in_browser(request):
                raise
            raise ShownAsPage(self.on_problem(request, problem)) from None

    def on_problem(self, request: AnyRequest, problem: Problem) -> Html:
        """Return the page of a Problem."""
        page = self.failed(problem.title, problem.detail, request.scope["path"])
        return html(page, problem.status, problem.headers())

    def _on_refusal(self, request: AnyRequest, refusal: HTTPException) -> Html:
        return html(self.failed(UNREADABLE, self.advice, request.scope["path"]), refusal.status_code)


def is_opened_in_browser(request: AnyRequest) -> bool:
    """True if a browser shows the answer to a person, and does not pass it to a script."""
    mode = request.headers.get("sec-fetch-mode", "")
    return mode == "navigate" if mode else "text/html" in request.headers.get("accept", "")


def html(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Html:
    """Return a page. The policy of the page allows our scripts and the colour of buttons only if the page has them; all
    other texts are escaped.
    """
    sent = HEADERS | (headers or {})
    sent["content-security-policy"] = with_accent(sent["content-security-policy"], text)
    for part in (passkeys, copying):
        if part.SCRIPT_TAG in text:
            sent["content-security-policy"] = part.with_script(sent["content-security-policy"])
    return Response(text, media_type="text/html", status_code=status, headers=sent)


def redirect(url: str, cookies: Sequence[Cookie] = ()) -> Redirect:
    """Redirect a browser after a form. The URL may contain a secret, so the redirect is not stored, and other sites do
    not get the URL.
    """
    return Redirect(url, status_code=303, headers=PRIVATE, cookies=list(cookies))


async def fields_of(request: AnyRequest) -> dict[str, str]:
    """Return the fields of the form of one of our pages. Raises: Forbidden, UnsupportedMedia, Malformed, TooLarge."""
    check_same_origin(request)
    return read_form(request.headers.get("content-type", ""), await request.body())


def check_same_origin(request: AnyRequest) -> None:
    """Refuse forms of other sites. If these headers are missing, the sender is not a browser. Raises: Forbidden."""
    site = request.headers.get("sec-fetch-site", "")
    if site:
        ours = site == SAME_ORIGIN
    else:
        origin = request.headers.get("origin", "")
        ours = not origin or is_own_page(origin, request.headers.get("host", ""))
    if not ours:
        raise Forbidden("Open the page itself, and send its form again.")


def at_public_host(request: AnyRequest, site: Site) -> Redirect | None:
    """Return a redirect to the same page at the public URL, if the browser used another name of this machine.

    `localhost` and `127.0.0.1` have separate cookies. Another service sends the browser back to the public URL, so a
    sign-in that began at the other name would not find its cookie. Other hosts are not redirected, because a proxy may
    have chosen them.
    """
    public = urlsplit(site.public_url)
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}")
        same = (host.hostname, host.port or 80) == (public.hostname, public.port or 80)
        known = {host.hostname, public.hostname} <= THIS_MACHINE and (host.port or 80) == (public.port or 80)
    except ValueError:  # There is no host, or the port is not a number.
        return None
    if same or not known or public.scheme != "http":
        return None
    query = request.scope["query_string"].decode("latin-1")
    return Redirect(f"{site.public_url}{request.url.path}?{query}", status_code=302, headers=PRIVATE)


def sent_cookie(request: AnyRequest, name: str, site: Site) -> str:
    """Return the value of one of BunBase's cookies; empty if the browser has not sent it."""
    return request.cookies.get(own_cookie(name, site.public_url), "")


def new_cookie(name: str, value: str, seconds: int, site: Site) -> Cookie:
    """Return a cookie that is sent after a redirect from another site (Lax), and that scripts cannot read."""
    secure = is_https(site.public_url)
    full_name = own_cookie(name, site.public_url)
    return Cookie(full_name, "/", value, max_age=seconds, httponly=True, secure=secure, samesite="lax")


def cookie_header(name: str, value: str, seconds: int, site: Site) -> str:
    """Return the value of the Set-Cookie header of `new_cookie`, for answers that are not made by a route."""
    return new_cookie(name, value, seconds, site).to_header(header="")
