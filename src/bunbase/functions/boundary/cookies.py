"""Cookies between browsers and functions.

Three things must not happen: a cookie of ours reaches a function, a function sets one named like ours, and a function
sets one that another project's function is sent. On a host that projects share, the browser cannot keep the last apart
(two projects may both have a function `login`), so there the project stands in front of the cookie's name, and its path
is the function's own. On a project's own host a cookie stays as it is, but for its domain: the host's alone.
"""

from __future__ import annotations

import re
from typing import Final

OURS: Final = re.compile(r"(?:__[a-z-]+-)?bb_", re.I)  # browsers compare __Host- and its kin without regard to case
PROMISING: Final = re.compile(r"__(?:host|secure|http)-", re.I)
PROJECT: Final = "prj_"
BLANK: Final = " \t"


def for_function(sent: str, project: str) -> str:
    """Return a Cookie header as a function of the project sees it: nothing of ours, nothing of another project."""
    passed = []
    for pair in sent.split(";"):
        name, equals, value = pair.strip(BLANK).partition("=")
        if not name and not equals:
            continue
        owner, dot, rest = name.partition(".")
        if dot and owner.startswith(PROJECT):
            if owner != project:
                continue
            name = rest
        if not is_ours(name):
            passed.append(f"{name}{equals}{value}")
    return "; ".join(passed)


def on_shared_host(set_cookie: str, project: str, path: str) -> str | None:
    """Return what is set where projects share a host, None for nothing. `path`: of the function."""
    read = _read(set_cookie)
    if read is None:
        return None
    name, value, attributes = read
    if PROMISING.match(name):
        return None  # its name promises what it cannot have here, such as Path=/
    kept = [one for one in attributes if _attribute(one) not in ("domain", "path")]
    return "; ".join([f"{project}.{name}={value}", *kept, f"Path={path}"])


def on_own_host(set_cookie: str) -> str | None:
    """Return what is set where the host is the project's alone, None for nothing."""
    read = _read(set_cookie)
    if read is None:
        return None
    name, value, attributes = read
    return "; ".join([f"{name}={value}", *(one for one in attributes if _attribute(one) != "domain")])


def is_ours(name: str) -> bool:
    return OURS.match(name.strip(BLANK)) is not None


def _read(set_cookie: str) -> tuple[str, str, list[str]] | None:
    """Split a Set-Cookie header as browsers do (RFC 6265bis §5.6); None for a cookie that may not be set.

    One without a name is none for us: browsers send `=bb_x=1` back as `bb_x=1`.
    """
    pair, *attributes = set_cookie.split(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(BLANK), value.strip(BLANK)
    if not equals or not name or is_ours(name):
        return None
    return name, value, [one.strip(BLANK) for one in attributes]


def _attribute(text: str) -> str:
    return text.partition("=")[0].strip(BLANK).lower()
