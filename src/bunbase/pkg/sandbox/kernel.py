"""System calls and prctl options that Python's standard library does not offer."""

from __future__ import annotations

import ctypes
import os
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_CAPBSET_DROP: Final = 24
PR_SET_NO_NEW_PRIVS: Final = 38

libc: Final = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def syscall(number: int, *arguments: object) -> int:
    """Make a system call and return its result. Raises: OSError. Arguments: ctypes values, or int for a C long."""
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *values)
    if result < 0:
        _raise(f"system call {number}")
    return result


def prctl(option: int, value: int = 0) -> None:
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        _raise(f"prctl {option}")


def unshare(flags: int) -> None:
    if libc.unshare(flags) != 0:
        _raise("unshare")


def no_new_privileges() -> None:
    """Make sure that a later exec gives this process no new privileges (no setuid).

    Landlock and seccomp require this.
    """
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def _raise(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")
