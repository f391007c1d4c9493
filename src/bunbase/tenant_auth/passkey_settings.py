"""Check the site that a project sets for its passkeys."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from bunbase.contracts.tenant_auth.settings import ProjectAuth
from bunbase.pkg.errors import InvalidInput

ID: Final = "/passkeys/rp_id"
ORIGINS: Final = "/passkeys/origins"
LOCALHOST: Final = "localhost"


def check_passkeys(auth: ProjectAuth) -> None:
    """Check that the origins belong to the app, and are below the host. Raises: InvalidInput."""
    id, origins = auth.passkeys.rp_id, auth.passkeys.origins
    if not id and not origins:
        return
    if not _is_host(id):
        raise InvalidInput.at(ID, "Name the host of your app, such as example.com, in lower case.")
    if not origins:
        raise InvalidInput.at(ORIGINS, "Name the origins of your app, such as https://app.example.com.")
    of_app = {_origin(url) for url in auth.redirect_urls}
    for number, origin in enumerate(origins):
        at = f"{ORIGINS}/{number}"
        if not _is_secure_origin(origin, id):
            raise InvalidInput.at(at, f"Send https://<host> without a path, where the host is {id} or below it.")
        if origin not in of_app:
            raise InvalidInput.at(at, "No entry of redirect_urls has this origin. Add one first.")


def _is_host(id: str) -> bool:
    """True for a host name that browsers accept as a relying party id. (Browsers also refuse public suffixes.)"""
    try:
        ip_address(id)
    except ValueError:
        plain = id.isascii() and id == id.lower() and all(part.replace("-", "").isalnum() for part in id.split("."))
        return plain and ("." in id or id == LOCALHOST)
    return False


def _is_secure_origin(origin: str, id: str) -> bool:
    if _origin(origin) != origin:
        return False
    parts = urlsplit(origin)
    host = parts.hostname or ""
    local = host == LOCALHOST or host.endswith(f".{LOCALHOST}")
    secure = parts.scheme == "https" or (parts.scheme == "http" and local)
    return secure and (host == id or host.endswith(f".{id}"))


def _origin(url: str) -> str:
    """Return the origin of a URL, or an empty text."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else ""
