"""Builds programs in classic BPF, from the instructions of a seccomp filter: load, compare and jump, return.

A program reads `struct seccomp_data`: the number of the system call at offset 0, the architecture at 4, the instruction
pointer at 8, and six 64-bit arguments from 16 on.
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


class Instruction(NamedTuple):
    """One instruction. `yes`, `no`: the number of steps to skip if the comparison is true or false."""

    code: int
    yes: int
    no: int
    value: int


Program = list[Instruction]


def load(offset: int) -> Instruction:
    return Instruction(LOAD, 0, 0, offset)


def low_word(argument: int) -> int:
    """Return the offset of the lower half of an argument. Both architectures are little-endian."""
    return 16 + 8 * argument


def high_word(argument: int) -> int:
    return low_word(argument) + 4


def skip(code: int, value: int, yes: int, no: int) -> Instruction:
    return Instruction(code, yes, no, value)


def give(value: int) -> Instruction:
    return Instruction(RETURN, 0, 0, value)


def encode(program: Program) -> bytes:
    return b"".join(INSTRUCTION.pack(*step) for step in program)
