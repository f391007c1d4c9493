"""Choose the proxy for a server: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the proxy of the system.

httpx also reads these variables, but fails for IPv6 addresses in NO_PROXY. httpx also needs the Python packages for
every proxy in the variables, even for a proxy that the server does not need.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from bunbase.cli.address import is_loopback
from bunbase.cli.errors import Usage


def proxy_for(url: str) -> httpx.Proxy | None:
    """Return the proxy for the server at `url`, or None. Raises: Usage if the proxy cannot be used."""
    if is_loopback(url):  # a proxy cannot reach a server on this machine
        return None
    parts = urlsplit(url)
    proxies = getproxies()
    name = next((name for name in (parts.scheme, "all") if proxies.get(name)), "")
    if not name or _needs_none(parts.hostname or "", parts.netloc, proxies.get("no", "")):
        return None
    address = proxies[name] if "://" in proxies[name] else f"http://{proxies[name]}"
    try:
        return httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL):
        raise unusable(name, "it is no address such as http://proxy.example.com:3128") from None


def client_for(url: str, **settings: Any) -> httpx.Client:
    """Return a client that sends requests to `url` through its proxy. Raises: Usage if the proxy cannot be used."""
    proxy = proxy_for(url)
    try:
        return httpx.Client(base_url=url, proxy=proxy, trust_env=False, **settings)
    except ImportError:
        raise unusable("all", "a SOCKS proxy needs a package: pip install 'httpx[socks]'") from None
    except httpx.InvalidURL as error:
        raise Usage(f"{url!r} is not the address of a server: {error}") from None


def unusable(name: str, reason: str) -> Usage:
    """Return the error about a proxy. The error does not show the proxy's address, which may contain a password."""
    return Usage(f"The proxy that {name.upper()}_PROXY or the system names cannot be used: {reason}.", "unusable_proxy")


def _needs_none(host: str, netloc: str, exceptions: str) -> bool:
    if proxy_bypass(netloc) or proxy_bypass(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in map(_network, exceptions.split(",")) if network is not None)


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network that an entry of NO_PROXY describes, such as 10.0.0.0/8, 10.1.2.3, ::1, [::1] or fe80::/10."""
    try:
        return ipaddress.ip_network(name.strip().replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None
