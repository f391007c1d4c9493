"""Giving up being root: a user that nobody else is, and no capability."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

from bunbase.functions.sandbox.kernel import PR_CAPBSET_DROP, libc, prctl

# Plus the worker's pid, which no other living process of the machine has: unique without any bookkeeping. Systems give
# out no user numbers of this range (systemd's list ends below, 2^31 is above).
FIRST_USER: Final = 1_900_000_000
CAPABILITIES: Final = 64
CAPABILITY_VERSION: Final = 0x20080522
SETFCAP: Final = 31  # without it root's number cannot be taken into a user namespace (Linux 5.12)


def become_nobody_else(pid: int) -> None:
    """Raises OSError, in a container whose users are mapped to few."""
    drop_bounding_set()
    user = FIRST_USER + pid
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)  # which also empties the capabilities


def drop_bounding_set(kept: tuple[int, ...] = ()) -> None:
    for number in range(CAPABILITIES):
        try:
            if number not in kept:
                prctl(PR_CAPBSET_DROP, number)
        except OSError:  # beyond the last that this kernel knows
            return


def drop_capabilities(kept: tuple[int, ...] = ()) -> None:
    """For a root that cannot become another user: what is left is a name. `kept`: below 32."""
    drop_bounding_set(kept)
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION, 0))
    left = sum(1 << number for number in kept)
    data = ctypes.create_string_buffer(struct.pack("=6I", left, left, 0, 0, 0, 0), 24)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
