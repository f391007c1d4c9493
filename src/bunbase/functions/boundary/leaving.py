"""Confines the headers of a function's answer to its project.

On a host that only this project uses, this module changes only cookies. On a host that projects share, this module
separates cookies and pages from those of other projects. Headers whose effect goes beyond the answer are already
removed (workers/far_reaching.py). Record: docs/decisions/0036-a-function-speaks-for-its-project-alone.md.
"""

from __future__ import annotations

from typing import Final

from bunbase.functions.boundary.cookies import on_own_host, on_shared_host
from bunbase.functions.workers.answer_head import Headers

# The page gets an opaque origin, so it can neither read other pages of the host nor act as one of them. This header
# does not replace headers of the function; browsers enforce every policy that they receive.
CONFINED: Final = (("content-security-policy", "sandbox allow-scripts allow-forms allow-popups allow-downloads"),)


def headers_for_client(headers: Headers, project: str, name: str, own_host: bool) -> Headers:
    """Return the headers that the client receives.

    `name`: the name of the function. `own_host`: true if the request came to a host that only this project uses.
    """
    if any(one == "set-cookie" for one, _ in headers):
        headers = _with_cookies_confined(headers, project, name, own_host)
    return headers if own_host else headers + CONFINED


def _with_cookies_confined(headers: Headers, project: str, name: str, own_host: bool) -> Headers:
    confined = []
    for one, value in headers:
        if one == "set-cookie":
            cookie = on_own_host(value) if own_host else on_shared_host(value, project, f"/v1/functions/{name}")
            if cookie is None:
                continue
            value = cookie
        confined.append((one, value))
    return tuple(confined)
