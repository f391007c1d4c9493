"""Addresses of servers."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from bunbase.cli.errors import Usage

DEFAULT_URL = "http://127.0.0.1:7070"
VARIABLE = "BUNBASE_URL"
PORT = "BUNBASE_PORT"
PAGES = ("/account/invite", "/invite")  # a command accepts links to these pages


def server_of_link(link: str) -> str:
    """Return the address of the server that has sent a link to one of its pages, or "" for any other text."""
    for page in PAGES:
        before, found, _ = link.strip().partition(page)
        if found and urlsplit(before).scheme in ("http", "https"):
            return normal_url(before)
    return ""


def default_url() -> str:
    """Return the address of a server on this machine; BUNBASE_PORT sets the port, as it does for `bunbase serve`."""
    port = os.environ.get(PORT, "")
    return f"http://127.0.0.1:{port}" if port else DEFAULT_URL


def normal_url(url: str) -> str:
    """Return `url` in the form used in the credentials file: host in lower case, no slash at the end. Raises: Usage."""
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.strip().isprintable() or parts.query or parts.fragment or parts.username:
        raise Usage(f"{url!r} is not the address of a server. An address looks like {DEFAULT_URL}.")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def is_host(host: str) -> bool:
    """True for an IP address, and for a name that can be in the DNS: labels of 1 to 63 bytes (RFC 1035 §2.3.4)."""
    try:
        return bool(host if ":" in host else host.encode("idna"))
    except UnicodeError:
        return False


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
