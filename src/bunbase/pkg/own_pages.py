"""The check whether a page was served by the host that its request was sent to."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_own_page(origin: str, host: str) -> bool:
    """True if `origin`, the Origin header of a request, names the same host and port as its Host header.

    Any program can send any text as an Origin. A text that is not a URL never matches.
    """
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
