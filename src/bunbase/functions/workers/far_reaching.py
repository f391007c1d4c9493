"""Headers of an answer that have an effect beyond it: on the origin, the browser, the connection, or a proxy before us.

A function speaks for itself alone. Many projects and BunBase itself may share its host, and even where a project has a
host of its own, its port and its certificate are the installation's. Each name here lets one answer change what happens
to later requests, or to the files of the machine in front.
"""

from __future__ import annotations

import re
from typing import Final

NAMES: Final = frozenset(
    [
        "accept-ch",
        "accept-ch-lifetime",
        "activate-storage-access",
        "alt-svc",
        "alt-used",
        "clear-site-data",
        "critical-ch",
        "date",
        "delegate-ch",
        "edge-control",
        "expect-ct",
        "expect-staple",
        "nel",
        "observe-browsing-topics",
        "origin-agent-cluster",
        "origin-trial",
        "public-key-pins",
        "public-key-pins-report-only",
        "report-to",
        "reporting-endpoints",
        "service-worker-allowed",
        "set-cookie2",
        "set-login",
        "strict-transport-security",
        "surrogate-control",
        "use-as-dictionary",
        "x-content-type-options",
        "x-request-id",
        "x-sendfile",
        "x-sendfile-temporary",
        "x-lighttpd-send-file",
    ]
)
# `date`, `x-request-id` and `x-content-type-options` are written by us: of two, browsers believe the first
PREFIXES: Final = (
    "x-bunbase-",
    "proxy-",
    "sec-",  # sessions that are bound to the device
    "secure-session-",
    "attribution-reporting-",
    "ad-auction-",
    "shared-storage-",
    "x-accel-",  # nginx: answers with any file or address that its configuration calls internal
    "x-reproxy-",
)
HARMLESS: Final = frozenset({"x-accel-buffering"})  # of this very answer, and usual for server-sent events
FAR_LINKS: Final = re.compile(r"serviceworker|compression-dictionary", re.I)
CHALLENGE: Final = re.compile(r"bearer(?:[ \t]+[^\x00-\x1f]*)?", re.I)
PARAMETER: Final = re.compile(r"[ \t]*[\w!#$%&'*+.^`|~-]+[ \t]*=")


def reaches_far(name: str, value: str) -> bool:
    """`name`: in lower case."""
    if name == "link":
        return FAR_LINKS.search(value) is not None
    if name == "www-authenticate":
        return not _asks_for_a_token(value)
    return name in NAMES or (name.startswith(PREFIXES) and name not in HARMLESS)


def _asks_for_a_token(value: str) -> bool:
    """Return whether the only challenge is for a bearer token. For others (Basic, Negotiate, …) browsers ask people for
    a password in the name of the host, and send it to everything on it from then on.
    """
    first, *others = value.split(",")
    return CHALLENGE.fullmatch(first.strip()) is not None and all(PARAMETER.match(one) for one in others)
