"""Sign in on a page in the browser (RFC 8628): the command never sees the password."""

from __future__ import annotations

import os
import platform
import sys
import time
import webbrowser
from collections.abc import Callable
from typing import Final

import httpx

from bunbase.cli.errors import Failure, Unreachable
from bunbase.cli.http import Call, decode, problem_in
from bunbase.cli.output import Output, counted
from bunbase.cli.session import Session
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.devices import DeviceLogin

SLOWER_SECONDS: Final = 5  # the answer `slow_down` makes the interval longer by this time (RFC 8628 §3.5)
MAX_NAME: Final = 100
PAGES: Final = ("https://", "http://")
WAITS: Final = ("authorization_pending", "slow_down")


def sign_in_by_browser(session: Session, out: Output, pause: Callable[[float], None] = time.sleep) -> SignedIn:
    """Show the address of the page, wait for the person's decision, and return the tokens. Raises: Failure."""
    name = f"bunbase on {platform.node() or 'an unnamed machine'}"[:MAX_NAME]
    login = decode(session.http.send(Call("POST", "/api/auth/device", json={"client": name})), DeviceLogin)
    out.say(f"Open {login.verification_uri} in a browser, on any device, and type the code {login.user_code}")
    out.say(f"or open {login.verification_uri_complete}")
    open_in_browser(login.verification_uri_complete)
    if not out.asides.is_terminal:
        minutes = max(login.expires_in // 60, 1)
        out.say(f"Waiting for your approval, for at most {counted(minutes, 'minute')}. A script uses a token instead.")
    with out.busy("waiting for your approval in the browser"):
        return _wait(session, login, pause)


def _wait(session: Session, login: DeviceLogin, pause: Callable[[float], None]) -> SignedIn:
    interval, ends_at = login.interval, time.monotonic() + login.expires_in
    while time.monotonic() < ends_at:
        pause(interval)
        try:
            reply = session.http.send(Call("POST", "/api/auth/device/token", json={"device_code": login.device_code}))
        except Unreachable:
            # the command tries again, because the network may work again before the code expires
            interval += SLOWER_SECONDS
            continue
        error = _error(reply)
        if error not in WAITS:
            return decode(reply, SignedIn)
        if error == "slow_down":
            interval += SLOWER_SECONDS
    raise Failure("expired_token", "Nobody approved the sign-in in time: run the command again.")


def _error(reply: httpx.Response) -> str:
    return str((problem_in(reply) or {}).get("error", ""))


def open_in_browser(url: str) -> None:
    """Open the address if this machine has a desktop. A browser inside the terminal would hide the code.

    Open only http and https URLs. The URL comes from a server, and URLs of other schemes may start programs.
    """
    if not url.startswith(PAGES):
        return
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
