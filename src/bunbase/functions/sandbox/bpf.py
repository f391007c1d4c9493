"""Classic BPF, as much of it as a seccomp filter needs: load a word of the call, compare, jump forward, return.

The program sees `struct seccomp_data`: nr at 0, arch at 4, instruction pointer at 8, six 64-bit arguments from 16.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
AT_LEAST: Final = 0x35  # BPF_JGE
ANY_BIT: Final = 0x45  # BPF_JSET
RETURN: Final = 0x06

NUMBER: Final = 0
ARCHITECTURE: Final = 4
INSTRUCTION: Final = struct.Struct("=HBBI")


class Step(NamedTuple):
    """`yes` and `no`: how many steps to skip."""

    code: int
    yes: int
    no: int
    value: int


Program = list[Step]


def load(offset: int) -> Step:
    return Step(LOAD, 0, 0, offset)


def low_word(argument: int) -> int:
    """The offset of an argument's lower half; both architectures are little-endian."""
    return 16 + 8 * argument


def high_word(argument: int) -> int:
    return low_word(argument) + 4


def skip(code: int, value: int, yes: int, no: int) -> Step:
    return Step(code, yes, no, value)


def give(value: int) -> Step:
    return Step(RETURN, 0, 0, value)


def encode(program: Program) -> bytes:
    return b"".join(INSTRUCTION.pack(*step) for step in program)
