"""Landlock, a security module of the kernel: the list of files that a worker may open. All other files are denied.

Newer kernels let Landlock deny more. With ABI 4, it can deny TCP. With ABI 6 (Linux 6.12), its scopes can deny access
to abstract unix sockets of other processes and signals to other processes.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final

from bunbase.pkg.sandbox.kernel import no_new_privileges, syscall
from bunbase.pkg.sandbox.syscalls import COMMON

CREATE, ADD_RULE, RESTRICT = (COMMON[f"landlock_{verb}"] for verb in ("create_ruleset", "add_rule", "restrict_self"))
ASK_VERSION: Final = 1
PATH_BENEATH: Final = 1

EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
TRUNCATE: Final = 1 << 14
IOCTL_DEV: Final = 1 << 15
OF_THE_FIRST_VERSION: Final = (1 << 13) - 1
REFER: Final = 1 << 13
ALL_TCP: Final = 0b11  # The two bits mean bind and connect.
ALL_SCOPES: Final = 0b11  # The two bits mean abstract unix sockets and signals.
OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

Rule = tuple[str, int]


def version() -> int:
    """Return the version of the kernel's Landlock, which the kernel calls ABI.

    Return 0 if the kernel has no Landlock.
    """
    try:
        return syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION))
    except OSError:
        return 0


def ruleset(rules: Iterable[Rule], abi: int) -> int:
    """Return the descriptor of a ruleset that allows only the paths in `rules`. Skip paths that do not exist.

    The process must still be able to open these paths. `enter` may be called later, as another user. Raises: OSError.
    """
    handled = _handled(abi)
    attributes = struct.pack("=QQQ", handled, ALL_TCP if abi >= 4 else 0, ALL_SCOPES if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    made = syscall(CREATE, ctypes.create_string_buffer(attributes, 24), ctypes.c_size_t(size), ctypes.c_uint32(0))
    for path, access in rules:
        _allow(made, path, access & handled)
    return made


def enter(made: int) -> None:
    """Apply the ruleset to this process permanently. The ruleset stays active after exec. Raises: OSError."""
    no_new_privileges()
    syscall(RESTRICT, ctypes.c_int(made), ctypes.c_uint32(0))
    os.close(made)


def _handled(abi: int) -> int:
    handled = OF_THE_FIRST_VERSION
    if abi >= 2:
        handled |= REFER
    if abi >= 3:
        handled |= TRUNCATE
    if abi >= 5:
        handled |= IOCTL_DEV
    return handled


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            access &= OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, beneath), 12)
        syscall(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(beneath)
