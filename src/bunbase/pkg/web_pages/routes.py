"""Routes of pages. A GET shows a form and changes nothing; the POST of the form acts.

The pages answer errors as pages too, also those that the gateway finds before a handler runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException

from bunbase.pkg.errors import Forbidden, Problem
from bunbase.pkg.web_pages.forms import MAX_FORM_BYTES, read_form
from bunbase.pkg.web_pages.layout import HEADERS

AnyRequest = Request[Any, Any, Any]
Html = Response[str]
Failed = Callable[[str, str, str], str]

SAME_ORIGIN: Final = "same-origin"  # of Sec-Fetch-Site; browsers send it to https and to this machine
UNREADABLE: Final = "This request could not be read"
OPEN_AGAIN: Final = "Open the link of the mail once more, or ask for a new mail."


def html(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Html:
    return Response(text, media_type="text/html", status_code=status, headers=HEADERS | (headers or {}))


class Pages:
    """Makes the routes of pages. `failed`: returns the page for an error, from its title, its detail and the path.

    `advice`: for a person whose request could not be read.
    """

    def __init__(self, failed: Failed, advice: str = OPEN_AGAIN) -> None:
        self.failed = failed
        self.advice = advice
        self.options: dict[str, Any] = {
            "include_in_schema": False,
            "exception_handlers": {Problem: self._on_problem, HTTPException: self._on_refusal},
        }

    def shows(self, path: str) -> get:
        return get(path, **self.options)

    def acts(self, path: str) -> post:
        return post(path, status_code=200, request_max_body_size=MAX_FORM_BYTES, **self.options)

    def _on_problem(self, request: AnyRequest, problem: Problem) -> Html:
        text = self.failed(problem.title, problem.detail, request.scope["path"])
        return html(text, problem.status, problem.headers())

    def _on_refusal(self, request: AnyRequest, refusal: HTTPException) -> Html:
        return html(self.failed(UNREADABLE, self.advice, request.scope["path"]), refusal.status_code)


async def fields_of(request: AnyRequest) -> dict[str, str]:
    """Return the fields of the form of one of these pages. Raises: Forbidden, UnsupportedMedia, Malformed, TooLarge."""
    check_same_origin(request)
    return read_form(request.headers.get("content-type", ""), await request.body())


def check_same_origin(request: AnyRequest) -> None:
    """Refuse forms of other sites. A request without these headers does not come from a browser. Raises: Forbidden."""
    site = request.headers.get("sec-fetch-site", "")
    if site:
        ours = site == SAME_ORIGIN
    else:
        origin = request.headers.get("origin", "")
        ours = not origin or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    if not ours:
        raise Forbidden("Open the page itself, and send its form again.")
