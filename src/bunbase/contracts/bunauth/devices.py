"""Sign-ins of devices without a browser (RFC 8628)."""

from __future__ import annotations

from datetime import datetime

import msgspec


class DeviceLogin(msgspec.Struct, frozen=True):
    """A sign-in that waits for approval (RFC 8628 §3.2). `device_code`: shown only to the device.

    `expires_in`, `interval`: seconds; the device must wait at least `interval` seconds between two requests for its
    tokens.
    """

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class WaitingDevice(msgspec.Struct, frozen=True):
    """A device that waits for approval, as the person who decides sees it.

    `client`: the name that the device gives itself. `ip`, `agent`: the IP address and the User-Agent header of the
    device's first request.
    """

    user_code: str
    client: str
    ip: str
    agent: str
    created_at: datetime
