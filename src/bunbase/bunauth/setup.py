"""The setup token: in production, only a caller with this token may open the first account.

The first account administers the installation. Without the token, a new server would belong to the first attacker who
finds it. The operator sets the token in the settings, or the server makes and prints a token at its first start. The
token's hash is stored in PostgreSQL, which all processes share. In dev mode, a caller on the same machine needs no
token.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from bunbase.bunauth.store.accounts import AccountStore
from bunbase.contracts.bunauth.problems import SetupTokenRequired
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.opaque import fingerprint, new_secret

PREFIX: Final = "setup"
MIN_LENGTH: Final = 16
ANOTHER: Final = (
    "`bunbase serve` printed the token at its first start. If the token is lost, start the server with "
    "BUNBASE_BUNAUTH__SETUP_TOKEN=<16 or more random characters>, and send these characters."
)


async def prepare_setup(accounts: AccountStore, chosen: str, dev: bool, tell: Callable[[str], None]) -> None:
    """Store the setup token that the operator has chosen, unless an account already exists.

    In production, if the operator has chosen no token and no token is stored, make a token, store it and pass it to
    `tell`.
    Raises: CannotStart if the chosen token is too short.
    """
    if chosen and len(chosen) < MIN_LENGTH:
        raise CannotStart(f"bunauth.setup_token: choose at least {MIN_LENGTH} random characters")
    if await accounts.exist():
        return
    if chosen:
        await accounts.replace_setup_token(fingerprint(chosen))
    elif not dev:
        token = new_secret(PREFIX)
        if await accounts.add_setup_token(fingerprint(token)):
            tell(token)


async def check_setup(accounts: AccountStore, caller: Caller, token: str, dev: bool) -> None:
    """Check that a caller may open the first account. Raises: SetupTokenRequired."""
    if dev and _is_here(caller.ip):
        return
    expected = await accounts.setup_token()
    if expected is not None and hmac.compare_digest(fingerprint(token), expected):
        return
    if dev:
        raise SetupTokenRequired(
            "In dev mode, open the first account from the machine that runs BunBase. To open it from another machine, "
            "start the server with BUNBASE_BUNAUTH__SETUP_TOKEN=<16 or more random characters>, and send these "
            "characters as `setup_token`."
        )
    why = "is wrong" if token else "is missing"
    raise SetupTokenRequired(f"`setup_token` {why}: the first account becomes the administrator. {ANOTHER}")


def _is_here(ip: str) -> bool:
    try:
        return ip_address(ip).is_loopback
    except ValueError:
        return False
