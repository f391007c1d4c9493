"""Codes of an authenticator app: TOTP (RFC 6238) with SHA-1, 6 digits and 30 seconds, which every app supports.

A code is valid for one step before and after the present step, because clocks differ. A code must work only once (RFC
6238 §5.2), so the caller stores the step of the last right code, under a lock, and passes it as `after`.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

import pyotp

STEP_SECONDS: Final = 30
WINDOW: Final = 1  # This many steps are allowed before and after the present step.
DIGITS: Final = 6
BEFORE_ALL: Final = -1  # This value means that no code was used yet.


def new_totp_secret() -> str:
    """Return a new secret of 160 bits in base32, as authenticator apps accept it."""
    return pyotp.random_base32()


def totp_uri(secret: str, account: str, issuer: str) -> str:
    """Return the `otpauth://` URI that a QR code contains. `issuer`: the name that the app shows.

    A colon separates the two names, so neither name may contain a colon: some apps refuse such a URI.
    """
    return pyotp.TOTP(secret).provisioning_uri(name=_without_colon(account), issuer_name=_without_colon(issuer))


def is_totp_code(code: str) -> bool:
    """True if the text has the form of a code; spaces are allowed."""
    digits = _digits(code)
    return len(digits) == DIGITS and digits.isascii() and digits.isdigit()


def matching_step(secret: str, code: str, now: datetime, after: int) -> int | None:
    """Return the step to which a code belongs, or None if the code is wrong or was used.

    `after`: the step of the last right code. The function compares all steps of the window, so that the duration
    reveals nothing.
    """
    if not is_totp_code(code):
        return None
    sent, present = _digits(code), int(now.timestamp()) // STEP_SECONDS
    app, found = pyotp.TOTP(secret), None
    for step in range(present - WINDOW, present + WINDOW + 1):
        if hmac.compare_digest(app.generate_otp(step), sent) and step > after:
            found = step
    return found


def wait_seconds(failed: int) -> int:
    """Return the seconds in which no code is checked, after a number of wrong codes in a row.

    There is no wait after the first wrong codes. After these codes, the wait doubles from one minute to one hour. So an
    attacker who knows the password has about 8,800 guesses in a year, and each guess is right with a probability of 3
    in a million.
    """
    return 0 if failed < FREE else min(FIRST_WAIT_SECONDS << min(failed - FREE, 10), LONGEST_WAIT_SECONDS)


FREE: Final = 5  # This many wrong codes cause no wait.
FIRST_WAIT_SECONDS: Final = 60
LONGEST_WAIT_SECONDS: Final = 3600


def _without_colon(name: str) -> str:
    return " ".join(name.replace(":", " ").split())


def _digits(code: str) -> str:
    return code.replace(" ", "")
