"""The page `/device`, on which a person approves or denies the sign-in of a device."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.pages.app import page
from bunbase.bunauth.pages.ways import by_passkey, other_ways, second_step, signed_in_as
from bunbase.contracts.bunauth.devices import WaitingDevice
from bunbase.contracts.bunauth.page_sign_in import NO_WAYS, ActPage, PageName, PageWays
from bunbase.pkg.web_pages.forms import button, field, form, hidden
from bunbase.pkg.web_pages.layout import alert, code, facts, link, paragraph, small

PATH: Final = "/device"
SECOND_FACTOR: Final = "/device/code"
# This page is for a person who returns with a pass, which is a sign-in for one action.
CONTINUE: Final = "/device/continue"
APPROVE: Final = "approve"
DENY: Final = "deny"
MORE_CODES: Final = "Make new ones before they are used up: bunbase account second-factor recovery-codes"
WARNING: Final = (
    "Approve only if you have just started this sign-in yourself. If somebody sent you this link or this code, deny "
    "it: whoever has the device could then use your account."
)


def ask_for_code(error: str = "") -> str:
    """Return the page that asks for the code. The form leads to the page that `decide` returns."""
    typing = field("user_code", "Code", "off", autocapitalize="characters", spellcheck="false", maxlength="20")
    asking = f'<form method="get" action="{PATH}">\n{typing}\n{button("Continue")}\n</form>'
    return page("Sign a device in", alert(error), paragraph("Type the code that your device shows."), asking)


def decide(device: WaitingDevice, email: str = "", error: str = "", ways: PageWays = NO_WAYS) -> str:
    """Return the page that shows the device, and asks for the sign-in and the decision."""
    about = facts(
        ("Device (says it is)", device.client or "unknown"),
        ("Address", device.ip or "unknown"),
        ("Program", device.agent or "unknown"),
        ("Started at", f"{device.created_at:%Y-%m-%d %H:%M:%S} UTC"),
    )
    fields = (
        hidden("user_code", device.user_code),
        field("email", "Email", "username", "email", email, maxlength="254"),
        field("password", "Password", "current-password", "password", maxlength="256"),
        button("Approve", "decision", APPROVE),
        button("Deny", "decision", DENY, second=True),
    )
    compare = paragraph("Your device must show this code:")
    parts: tuple[str, ...] = (
        alert(error),
        compare,
        code(device.user_code),
        about,
        alert(WARNING) if not error else small(WARNING),
    )
    to = ActPage(PageName.DEVICE, device.user_code)
    if ways.challenge:
        return page("Sign this device in?", *parts, second_step(to, ways.challenge))
    if ways.email:
        parts = (*parts, signed_in_as(ways.email), _decision(device.user_code))
    return page("Sign this device in?", *parts, form(PATH, *fields), other_ways(to, ways))


def _decision(user_code: str) -> str:
    """Return the form for a person who has come back from another service."""
    approve, deny = button("Approve", "decision", APPROVE), button("Deny", "decision", DENY, second=True)
    return form(CONTINUE, hidden("user_code", user_code), approve, deny)


def ask_for_second_factor(user_code: str, challenge: str, approve: bool, error: str = "") -> str:
    """Return the page that asks for a code after the right password. The person's decision is already in the form."""
    explained = paragraph(
        "This account has a second factor. Type a code of your authenticator app, or a recovery code."
    )
    fields = (
        hidden("user_code", user_code),
        hidden("challenge", challenge),
        hidden("decision", APPROVE if approve else DENY),
        field("code", "Code", "one-time-code", spellcheck="false", maxlength="40"),
        button("Approve" if approve else "Deny"),
    )
    passkey = by_passkey(ActPage(PageName.DEVICE, user_code), challenge)
    return page("Second factor", alert(error), explained, form(SECOND_FACTOR, *fields), passkey)


def decided(approved: bool, codes_left: int | None = None) -> str:
    """Return the last page. `codes_left`: the number of recovery codes that are left if one was used."""
    used = "" if codes_left is None else small(f"You have used a recovery code: {codes_left} are left. {MORE_CODES}")
    if approved:
        return page("The device is signed in", paragraph("Return to the device: it continues in a few seconds."), used)
    return page("The sign-in is denied", paragraph("The device gets no access to your account."), used)


def not_found(detail: str) -> str:
    return page("No device waits under this code", alert(detail), link(PATH, "Type another code"))
