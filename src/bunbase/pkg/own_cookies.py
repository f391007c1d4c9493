"""Names of BunBase's own cookies.

All of them begin with `bb_`. With this prefix, BunBase recognises them and hides them from functions, which answer on
the same host: see `functions/boundary/cookies.py`.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "bb_"


def own_cookie(name: str, public_url: str) -> str:
    """Return the full name of the cookie `name`.

    With https, the name has a prefix that prevents other hosts of the domain from setting the cookie (RFC 6265bis
    §4.1.3.2).
    """
    return f"__Host-{PREFIX}{name}" if is_https(public_url) else f"{PREFIX}{name}"


def is_https(public_url: str) -> bool:
    return public_url.startswith("https://")
