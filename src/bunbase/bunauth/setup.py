"""The first account administers the installation: in production only a holder of the setup token may open it.

Otherwise a server that has just started belongs to the stranger who finds it first. The token is made at the first
start and told once, or it is what the setting says; several processes agree on the one whose hash PostgreSQL keeps.
In dev mode a caller on this machine may open it without.
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
    "random characters> and send that."
)


async def prepare_setup(store: BunAuthStore, chosen: str, dev: bool, tell: Callable[[str], None]) -> None:
    """Keep the chosen token, or in production make one and tell it, unless there is an account or a token already.

    Raises: CannotStart for a token that is too short.
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
    """Raises: SetupTokenRequired."""
    if dev and _is_here(caller.ip):
        return
    expected = await store.setup_token()
    if expected is not None and hmac.compare_digest(fingerprint(token), expected):
        return
    if dev:
        raise SetupTokenRequired(
            "In dev mode the first account is opened on the machine that BunBase runs on. From elsewhere, start with "
            "BUNBASE_BUNAUTH__SETUP_TOKEN=<16 or more random characters> and send it as `setup_token`."
        )
    why = "is wrong" if token else "is missing"
    raise SetupTokenRequired(f"`setup_token` {why}: the first account becomes the administrator. {ANOTHER}")


def _is_here(ip: str) -> bool:
    try:
        return ip_address(ip).is_loopback
    except ValueError:
        return False
