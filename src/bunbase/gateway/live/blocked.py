"""The reasons why nothing may be delivered to a live connection now."""

from __future__ import annotations

from typing import Final


class Blocked:
    """The reasons against a delivery, as bits. The bits are plain numbers, because each delivery checks them."""

    READER: Final = 1  # the client reads too slowly
    CHECK: Final = 2  # the sign-in is being checked
    ENDED: Final = 4  # the sign-in has expired, or was revoked
    FEED: Final = 8  # this process may not know of revocations
    CLOSED: Final = 16
    UNPROVEN: Final = CHECK | ENDED | FEED  # the sign-in is not known to be valid
