"""The origins of an app's pages, as browsers write them in the header Origin (RFC 6454 §6.2)."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from bunbase.contracts.tenant_auth.settings import ProjectAuth

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def cookie_origins(auth: ProjectAuth) -> frozenset[str]:
    """Return the origins of `redirect_urls`, except the origins of apps on devices.

    If the project does not use cookie mode, return no origins.
    """
    if not auth.cookies:
        return frozenset()
    found = (_origin(url) for url in auth.redirect_urls)
    return frozenset(origin for origin in found if origin)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
