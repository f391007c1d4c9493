"""Seccomp: the parts of a filter, and its installation. A filter is a list of allowed calls; every other call fails."""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterable
from typing import Final

from bunbase.pkg.sandbox.bpf import (
    ANY_BIT,
    ARCHITECTURE,
    AT_LEAST,
    EQUAL,
    NUMBER,
    Program,
    encode,
    give,
    load,
    low_word,
    skip,
)
from bunbase.pkg.sandbox.kernel import no_new_privileges, syscall
from bunbase.pkg.sandbox.syscalls import Machine

KILL: Final = 0x80000000  # This action kills the whole process, not only the thread.
ALLOW: Final = 0x7FFF0000
ERRNO: Final = 0x00050000
REFUSE: Final = ERRNO | errno.EPERM
HIDE: Final = ERRNO | errno.ENOENT
UNKNOWN: Final = ERRNO | errno.ENOSYS

X32_BIT: Final = 0x40000000
SET_MODE_FILTER: Final = 1
CLONE_THREAD: Final = 0x00010000
CLONE_NEW_ANYTHING: Final = 0x7E020080  # These flags make namespaces: time, mount, cgroup, uts, ipc, user, pid, net.
PR_SET_NAME: Final = 15


def on_machine(machine: Machine) -> Program:
    """Return the beginning of a filter. A call of another architecture, or of x32, kills the process."""
    return [
        load(ARCHITECTURE),
        skip(EQUAL, machine.audit, 1, 0),
        give(KILL),
        load(NUMBER),
        skip(AT_LEAST, X32_BIT, 0, 1),
        give(KILL),
    ]


def only_threads() -> Program:
    """Return the filter of `clone` that allows threads, but no processes and no namespaces."""
    return [
        load(low_word(0)),
        skip(ANY_BIT, CLONE_NEW_ANYTHING, 1, 0),
        skip(ANY_BIT, CLONE_THREAD, 1, 0),
        give(REFUSE),
        give(ALLOW),
    ]


def on(number: int, body: Program) -> Program:
    return [skip(EQUAL, number, 0, len(body)), *body]


def one_of(argument: int, values: Iterable[int], otherwise: int) -> Program:
    values = tuple(values)
    tests = [skip(EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
    return [load(low_word(argument)), *tests, give(otherwise), give(ALLOW)]


def without_bit(argument: int, bit: int) -> Program:
    return [load(low_word(argument)), skip(ANY_BIT, bit, 0, 1), give(REFUSE), give(ALLOW)]


def with_bit(argument: int, bit: int, otherwise: int) -> Program:
    return [load(low_word(argument)), skip(ANY_BIT, bit, 1, 0), give(otherwise), give(ALLOW)]


def install(program: Program, machine: Machine) -> None:
    """Apply the program to this process permanently. The program stays active after exec. Raises: OSError."""
    code = encode(program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(buffer)))
    no_new_privileges()
    syscall(machine.numbers["seccomp"], SET_MODE_FILTER, 0, header)
