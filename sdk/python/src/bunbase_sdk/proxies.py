"""Choose the proxy for the server: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the proxy of the system.

httpx reads these variables too, but it fails for IPv6 addresses in NO_PROXY. httpx also needs the packages for every
proxy in the variables, even for a proxy that this server does not need.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from bunbase_sdk.problem import Problem, invalid_value


def proxy_for(url: str) -> httpx.Proxy | None:
    """Return the proxy for the server at `url`, or None. Raises: Problem if the named proxy cannot be used."""
    parts = urlsplit(url)
    proxies = getproxies()
    name = next((name for name in (parts.scheme, "all") if proxies.get(name)), "")
    if not name or _needs_none(parts.hostname or "", parts.netloc, proxies.get("no", "")):
        return None
    address = proxies[name] if "://" in proxies[name] else f"http://{proxies[name]}"
    try:
        return httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL):
        raise _unusable(name, "It is no address such as http://proxy.example.com:3128.") from None


def sync_client(url: str, **settings: Any) -> httpx.Client:
    """Return a client that sends its requests through the proxy for `url`. Raises: Problem."""
    try:
        return httpx.Client(proxy=proxy_for(url), trust_env=False, verify=httpx.create_ssl_context(), **settings)
    except ImportError:
        raise _needs_package() from None


def async_client(url: str, **settings: Any) -> httpx.AsyncClient:
    """Return a client that sends its requests through the proxy for `url`. Raises: Problem."""
    try:
        return httpx.AsyncClient(proxy=proxy_for(url), trust_env=False, verify=httpx.create_ssl_context(), **settings)
    except ImportError:
        raise _needs_package() from None


def _needs_package() -> Problem:
    return _unusable("all", "A SOCKS proxy needs a package: pip install 'httpx[socks]'.")


def _unusable(name: str, reason: str) -> Problem:
    """Return the problem of a proxy. The problem does not show the proxy's address, which may contain a password."""
    return invalid_value(f"{name.upper()}_PROXY", f"This proxy of the environment cannot be used. {reason}")


def _needs_none(host: str, netloc: str, exceptions: str) -> bool:
    if proxy_bypass(netloc) or proxy_bypass(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in map(_network, exceptions.split(",")) if network is not None)


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network that an entry of NO_PROXY describes: 10.0.0.0/8, 10.1.2.3, ::1, [::1], fe80::/10."""
    try:
        return ipaddress.ip_network(name.strip().replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None
