"""Drops root: the process becomes a user without capabilities that no other process has."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

from bunbase.pkg.sandbox.kernel import PR_CAPBSET_DROP, libc, prctl

# The user number of a worker is this number plus its pid. No other living process has the pid, so the number is unique
# and needs no bookkeeping. Systems assign no user numbers in this range: systemd's list ends below it, and 2^31 is
# above it.
FIRST_USER: Final = 1_900_000_000
CAPABILITIES: Final = 64
CAPABILITY_VERSION: Final = 0x20080522
SETFCAP: Final = 31  # Since Linux 5.12, mapping root into a user namespace needs this capability.


def become_nobody_else(pid: int) -> None:
    """Become a user that no other process has. Raises: OSError, for example in a container with few mapped users."""
    drop_bounding_set()
    user = FIRST_USER + pid
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)  # This call also removes the capabilities.


def drop_bounding_set(kept: tuple[int, ...] = ()) -> None:
    for number in range(CAPABILITIES):
        try:
            if number not in kept:
                prctl(PR_CAPBSET_DROP, number)
        except OSError:  # This kernel does not know a capability with this number.
            return


def drop_capabilities(kept: tuple[int, ...] = ()) -> None:
    """Drop all capabilities except `kept` (numbers below 32). Raises: OSError.

    A root process that cannot become another user calls this.
    """
    drop_bounding_set(kept)
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION, 0))
    left = sum(1 << number for number in kept)
    data = ctypes.create_string_buffer(struct.pack("=6I", left, left, 0, 0, 0, 0), 24)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
