"""Recognises headers with an effect beyond one answer: on the origin, the browser, the connection, or a proxy in front.

A function may only decide about its own answers. Many projects and BunBase itself may share one host name. Even if a
project has its own host name, the port and the certificate belong to the installation. Each header listed here changes
how later requests are handled, or makes a proxy send internal files.
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
# The server writes `date`, `x-request-id` and `x-content-type-options` itself. If a header appears twice, browsers use
# the first value.
PREFIXES: Final = (
    "x-bunbase-",
    "proxy-",
    "sec-",  # for example headers for sessions that are bound to the device
    "secure-session-",
    "attribution-reporting-",
    "ad-auction-",
    "shared-storage-",
    "x-accel-",  # with these headers, nginx sends any file or URL that its configuration marks as internal
    "x-reproxy-",
)
# This header affects only one answer, and is usual for server-sent events.
HARMLESS: Final = frozenset({"x-accel-buffering"})
FAR_LINKS: Final = re.compile(r"serviceworker|compression-dictionary", re.I)
CHALLENGE: Final = re.compile(r"bearer(?:[ \t]+[^\x00-\x1f]*)?", re.I)
PARAMETER: Final = re.compile(r"[ \t]*[\w!#$%&'*+.^`|~-]+[ \t]*=")


def reaches_far(name: str, value: str) -> bool:
    """True if the header has an effect beyond its answer. `name`: the name in lower case."""
    if name == "link":
        return FAR_LINKS.search(value) is not None
    if name == "www-authenticate":
        return not _asks_for_a_token(value)
    return name in NAMES or (name.startswith(PREFIXES) and name not in HARMLESS)


def _asks_for_a_token(value: str) -> bool:
    """True if the only challenge is for a bearer token.

    For other challenges (Basic, Negotiate, …), a browser asks its user for a password in the name of the host. The
    browser then sends the password to every project on that host.
    """
    first, *others = value.split(",")
    return CHALLENGE.fullmatch(first.strip()) is not None and all(PARAMETER.match(one) for one in others)
