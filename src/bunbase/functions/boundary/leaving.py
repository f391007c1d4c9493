"""The part of an answer's head that leaves for the client, where its host belongs to the project and where it does not.

Records: docs/decisions/0036. Headers that reach beyond the answer are gone already (workers/far_reaching.py).
"""

from __future__ import annotations

from typing import Final

from bunbase.functions.boundary.cookies import on_own_host, on_shared_host
from bunbase.functions.workers.answer_head import Headers

# A page gets an origin that is nobody's: it neither reads nor acts as what else lies on the host. Added to whatever the
# function says itself; browsers obey all of them.
CONFINED: Final = (("content-security-policy", "sandbox allow-scripts allow-forms allow-popups allow-downloads"),)


def headers_for_client(headers: Headers, project: str, name: str, own_host: bool) -> Headers:
    """`name`: of the function; `own_host`: whether the request came to a host that is the project's alone."""
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
