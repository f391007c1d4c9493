"""The setup token: in production, only its holder may open the first account, which administers the installation.

Without it, a new server would belong to the first stranger who finds it. The token is set in the settings, or made and
printed at the first start. Its hash is stored in PostgreSQL, so several processes use the same token. In dev mode, a
caller on the same machine needs no token.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from bunbase.bunauth.store import BunAuthStore
from bunbase.contracts.bunauth import SetupTokenRequired
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.opaque import fingerprint, new_secret

PREFIX: Final = "setup"
MIN_LENGTH: Final = 16
ANOTHER: Final = (
    "`bunbase serve` printed it at its first start. If it is lost, start with BUNBASE_BUNAUTH__SETUP_TOKEN=<16 or more "
    "random characters> and send these."
)


async def prepare_setup(store: BunAuthStore, chosen: str, dev: bool, tell: Callable[[str], None]) -> None:
    """Store the chosen token; or, in production, make and tell one, unless an account or a token exists already.

    Raises: CannotStart, if the chosen token is too short.
    """
    if chosen and len(chosen) < MIN_LENGTH:
        raise CannotStart(f"bunauth.setup_token: choose at least {MIN_LENGTH} random characters")
    if await store.has_accounts():
        return
    if chosen:
        await store.replace_setup_token(fingerprint(chosen))
    elif not dev:
        token = new_secret(PREFIX)
        if await store.add_setup_token(fingerprint(token)):
            tell(token)


async def check_setup(store: BunAuthStore, caller: Caller, token: str, dev: bool) -> None:
    """Check that a caller may open the first account. Raises: SetupTokenRequired."""
    if dev and _is_here(caller.ip):
        return
    expected = await store.setup_token()
    if expected is not None and hmac.compare_digest(fingerprint(token), expected):
        return
    if dev:
        raise SetupTokenRequired(
            "In dev mode, open the first account on the machine that runs BunBase. To open it from elsewhere, "
            "start with BUNBASE_BUNAUTH__SETUP_TOKEN=<16 or more random characters> and send these as `setup_token`."
        )
    why = "is wrong" if token else "is missing"
    raise SetupTokenRequired(f"`setup_token` {why}: the first account becomes the administrator. {ANOTHER}")


def _is_here(ip: str) -> bool:
    try:
        return ip_address(ip).is_loopback
    except ValueError:
        return False
