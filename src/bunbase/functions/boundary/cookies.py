"""Cookies between browsers and functions.

Three things must not happen:

1. A function receives one of BunBase's own cookies.
2. A function sets a cookie with a name that BunBase uses.
3. A function sets a cookie that the browser sends to a function of another project.

On a host that projects share, browsers cannot prevent the third case: two projects may both have a function `login`. So
on such a host, the cookie's name gets the project's id as a prefix, and the cookie's path is the path of the function.
On a project's own host, a cookie stays as it is, but its domain is removed, so that browsers send it to this host only.
"""

from __future__ import annotations

import re
from typing import Final

from bunbase.pkg.own_cookies import PREFIX

OURS: Final = re.compile(rf"(?:__[a-z-]+-)?{PREFIX}", re.I)  # Browsers ignore case in prefixes such as __Host-.
PROMISING: Final = re.compile(r"__(?:host|secure|http)-", re.I)
PROJECT: Final = "prj_"
BLANK: Final = " \t"


def for_function(sent: str, project: str) -> str:
    """Return a Cookie header without BunBase's own cookies and without cookies of other projects."""
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
    """Return the Set-Cookie header for a host that projects share, or None if no cookie may be set.

    `path`: the path of the function.
    """
    read = _read(set_cookie)
    if read is None:
        return None
    name, value, attributes = read
    if PROMISING.match(name):
        return None  # The cookie's name demands an attribute that is not possible on a shared host, such as Path=/.
    kept = [one for one in attributes if _attribute(one) not in ("domain", "path")]
    return "; ".join([f"{project}.{name}={value}", *kept, f"Path={path}"])


def on_own_host(set_cookie: str) -> str | None:
    """Return the Set-Cookie header for a project's own host, or None if no cookie may be set."""
    read = _read(set_cookie)
    if read is None:
        return None
    name, value, attributes = read
    return "; ".join([f"{name}={value}", *(one for one in attributes if _attribute(one) != "domain")])


def is_ours(name: str) -> bool:
    return OURS.match(name.strip(BLANK)) is not None


def _read(set_cookie: str) -> tuple[str, str, list[str]] | None:
    """Return the name, value and attributes of a Set-Cookie header, split as browsers do (RFC 6265bis §5.6).

    Return None if the cookie may not be set, for example if it has no name. A browser would send the nameless cookie
    `=bb_x=1` back as `bb_x=1`, which is a cookie of BunBase.
    """
    pair, *attributes = set_cookie.split(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(BLANK), value.strip(BLANK)
    if not equals or not name or is_ours(name):
        return None
    return name, value, [one.strip(BLANK) for one in attributes]


def _attribute(text: str) -> str:
    return text.partition("=")[0].strip(BLANK).lower()
