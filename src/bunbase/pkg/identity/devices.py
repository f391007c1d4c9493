"""Devices from which people sign in.

A device is a program in a network. The program is the User-Agent header without its numbers, so that an updated browser
is not a new device. The network is the /24 or /48 around the address.
"""

from __future__ import annotations

import re
from typing import Final

from bunbase.pkg.ip_addresses import network_around
from bunbase.pkg.opaque import fingerprint

NUMBERS: Final = re.compile(r"[0-9][0-9._]*")


def device_of(agent: str, ip: str) -> bytes:
    """Return a hash of a device."""
    return fingerprint(f"{NUMBERS.sub('', agent)}\n{network_around(ip)}")
