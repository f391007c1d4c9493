"""Removes BunBase's own credentials from a request before a function sees it.

Credentials are recognised by the prefix of their names, not by a list: `X-Bunbase-` for headers and `bb_` for cookies.
So a credential that a later version of BunBase introduces is removed without a change here. The headers that describe a
trigger also begin with `X-Bunbase-`. BunBase adds them after this filter, so a client cannot forge them.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

from bunbase.functions.boundary.cookies import for_function
from bunbase.functions.workers.answer_head import Headers, without_hop_by_hop

OURS: Final = "x-bunbase-"
# `proxy-authorization` is a hop-by-hop header, so it is removed anyway.
CREDENTIALS: Final = frozenset({"authorization"})
KEY_PARAMETER: Final = "key"
KEY: Final = re.compile(r"\s*[ps]k_")


def headers_for_function(sent: Headers, project: str) -> Headers:
    """Return the headers that the function sees. Names are in lower case."""
    passed = []
    for name, value in without_hop_by_hop(sent, also=CREDENTIALS):
        if name.startswith(OURS):
            continue
        if name == "cookie":
            value = for_function(value, project)
            if not value:
                continue
        elif name == "referer":
            value = without_key(value)
        passed.append((name, value))
    return tuple(passed)


def without_key(address: str) -> str:
    """Return the URL without the `key` parameters that contain a project key. A `key` with any other value stays."""
    path, mark, query = address.partition("?")
    if not mark or not query:
        return address
    query, hash, fragment = query.partition("#")
    kept = "&".join([pair for pair in query.split("&") if not _is_key(pair)])
    return path + (f"?{kept}" if kept else "") + hash + fragment


def _is_key(pair: str) -> bool:
    name, _, value = pair.partition("=")
    return unquote_plus(name) == KEY_PARAMETER and KEY.match(unquote_plus(value)) is not None
