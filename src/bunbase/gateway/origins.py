"""The check whether a web page may use a project key. Browsers send the origin of the page with requests to another
origin.

The check does not protect data, because a program that is not a browser can send any Origin. The check stops pages that
copied a publishable key, and shows developers at once that a secret key must not be in a page.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from litestar.datastructures import Headers
from litestar.types import Scope

from bunbase.contracts.caller import CallerKind
from bunbase.contracts.keys import OriginNotAllowed, SecretKeyInBrowser
from bunbase.contracts.platform import KeyHolder

KNOWN: Final = 4096
SIGN_IN_PAGES: Final = "/v1/auth/ui"


def is_welcome(holder: KeyHolder, origin: str | None) -> bool:
    """True if a request with this key may come from a page of `origin`; None for a request that no page sent."""
    if origin is None:
        return True
    if holder.kind is CallerKind.SECRET:
        return holder.limits.allow_browser
    return not holder.limits.origins or _is_listed(holder.limits.origins, origin)


def check_origin(holder: KeyHolder, origin: str | None) -> None:
    """Check that a page may use the key. Raises: OriginNotAllowed, SecretKeyInBrowser."""
    if is_welcome(holder, origin):
        return
    if holder.kind is CallerKind.SECRET:
        raise SecretKeyInBrowser(
            "A page can be read by everybody who opens it: revoke this key, and send the publishable key from pages. "
            "A server must not send the header Origin. The key's setting allow_browser permits it."
        )
    raise OriginNotAllowed("Add this origin to the key's allowed origins, or use another key.")


def is_form_of_page(scope: Scope) -> bool:
    """True for a form of the sign-in page of a project, which has the origin of BunBase and not of the app."""
    headers = Headers.from_scope(scope)
    host, origin = headers.get("host", ""), headers.get("origin")
    ours = bool(host) and origin in (f"http://{host}", f"https://{host}")
    return ours and scope["path_template"].startswith(SIGN_IN_PAGES)


@lru_cache(KNOWN)
def _is_listed(origins: tuple[str, ...], origin: str) -> bool:
    return any(_matches(allowed, origin.lower()) for allowed in origins)


def _matches(allowed: str, origin: str) -> bool:
    if "*" not in allowed:
        return origin == allowed
    scheme, _, domain = allowed.partition("*")
    below = origin.removeprefix(scheme).removesuffix(domain)
    is_below = origin.startswith(scheme) and origin.endswith(domain) and len(origin) > len(scheme) + len(domain)
    return is_below and not set(below) & set("/:@[]") and not below.startswith(".")
