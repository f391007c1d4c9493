"""An interpreter of seccomp programs. With it the filter for one architecture can be tested on another."""

from __future__ import annotations

from collections.abc import Sequence

from bunbase.pkg.sandbox.bpf import ANY_BIT, ARCHITECTURE, AT_LEAST, EQUAL, LOAD, NUMBER, RETURN, Program


def verdict(program: Program, audit: int, number: int, arguments: Sequence[int] = ()) -> int:
    """Return the result of the program for a system call. Raise an error if the kernel would refuse the program."""
    words = {NUMBER: number & 0xFFFFFFFF, ARCHITECTURE: audit}
    for place, argument in enumerate([*arguments, *[0] * (6 - len(arguments))]):
        words[16 + 8 * place] = argument & 0xFFFFFFFF
        words[20 + 8 * place] = argument >> 32 & 0xFFFFFFFF
    at, loaded = 0, 0
    while True:
        code, yes, no, value = program[at]
        match code:
            case _ if code == RETURN:
                return value
            case _ if code == LOAD:
                loaded = words[value]
                at += 1
            case _:
                holds = {EQUAL: loaded == value, AT_LEAST: loaded >= value, ANY_BIT: bool(loaded & value)}[code]
                at += 1 + (yes if holds else no)
