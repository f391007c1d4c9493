"""The part of a request that reaches a function: no credential of ours, by the beginning of its name, not by a list.

The next credential that BunBase invents is called `X-Bunbase-…`, or is a cookie `bb_…`: it is kept back without a word
here. The headers of triggers begin alike; BunBase writes them itself, behind this.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

from bunbase.functions.boundary.cookies import for_function
from bunbase.functions.workers.answer_head import Headers, without_hop_by_hop

OURS: Final = "x-bunbase-"
CREDENTIALS: Final = frozenset({"authorization"})  # for us; `proxy-authorization` is of one hop only
KEY_PARAMETER: Final = "key"
KEY: Final = re.compile(r"\s*[ps]k_")


def headers_for_function(sent: Headers, project: str) -> Headers:
    """Return what the function sees. `sent`: names in lower case."""
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
    """Return the address without parameters `key` that hold a key of a project; one of the function's own stays."""
    path, mark, query = address.partition("?")
    if not mark or not query:
        return address
    query, hash, fragment = query.partition("#")
    kept = "&".join([pair for pair in query.split("&") if not _is_key(pair)])
    return path + (f"?{kept}" if kept else "") + hash + fragment


def _is_key(pair: str) -> bool:
    name, _, value = pair.partition("=")
    return unquote_plus(name) == KEY_PARAMETER and KEY.match(unquote_plus(value)) is not None
