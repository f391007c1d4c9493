"""Redirect URIs of clients: check which URIs may be registered, and which URI a request may name.

A code is sent only to a registered URI, compared character by character (RFC 9700 §2.1). The one exception is a program
on the person's machine: any port is allowed, because the program does not know its port in advance (RFC 8252 §7.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

MAX_LENGTH: Final = 500
# Matches the characters of RFC 3986 without `#`, `@` and quotes.
PLAIN: Final = re.compile(r"[A-Za-z0-9._~:/?\[\]!$&()*+,;=%-]+")
HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[::1\]")
OWN_SCHEME: Final = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+")  # Matches a reversed domain (RFC 8252 §7.1).
LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
THIS_MACHINE: Final = LOOPBACK | {"localhost"}


class UnsuitableUri(Exception):
    """The message describes the error to the person who registers the client."""


def check_redirect_uri(uri: str, own_schemes: bool) -> None:
    """Check a URI that somebody wants to register. `own_schemes`: true if it may be `com.example.app:/…` of an app.

    Raises: UnsuitableUri.
    """
    parts = _split(uri)
    if parts is None:
        raise UnsuitableUri(f"A redirect URI is an absolute address without a fragment, of at most {MAX_LENGTH} bytes.")
    if parts.scheme in ("http", "https"):
        _check_web(parts)
    elif not own_schemes or parts.netloc or not OWN_SCHEME.fullmatch(parts.scheme):
        raise UnsuitableUri("Use https. Only public clients may use a scheme of their own: a reversed domain name.")


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """True if a request may name this URI."""
    return any(uri == one or _is_same_program(uri, one) for one in registered)


def is_local(uri: str) -> bool:
    """True if a program on the person's machine receives the code. BunBase cannot know which program this is."""
    parts = _split(uri)
    return parts is None or parts.scheme != "https"


def form_target(uri: str) -> str:
    """Return the source expression for `form-action` of a page whose form leads to this URI (CSP 3 §2.3.1)."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def with_parameters(uri: str, **parameters: str) -> str:
    """Return the URI with further parameters. Empty values are left out."""
    sent = urlencode({name: value for name, value in parameters.items() if value})
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{sent}"


def _check_web(parts: SplitResult) -> None:
    host = parts.hostname or ""
    if not HOST.fullmatch(f"[{host}]" if ":" in host else host):
        raise UnsuitableUri("The host is missing, or it is not valid.")
    if parts.scheme == "http" and host not in THIS_MACHINE:
        raise UnsuitableUri("Use https. Plain http is only for programs on the same machine: http://127.0.0.1/….")


def _is_same_program(uri: str, registered: str) -> bool:
    sent, known = _split(uri), _split(registered)
    if sent is None or known is None or sent.scheme != "http" or sent.hostname not in LOOPBACK:
        return False
    return sent._replace(netloc=sent.hostname or "") == known._replace(netloc=known.hostname or "")


def _split(uri: str) -> SplitResult | None:
    """Return the parts of an absolute URI, None for any other text."""
    if len(uri) > MAX_LENGTH or not PLAIN.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme and (parts.netloc or parts.path.startswith("/")) else None
