from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.functions.sandbox.seccomp import ALWAYS, AT_EMPTY_PATH, BUN_FD, Exec, worker_filter
from bunbase.pkg.sandbox.bpf import INSTRUCTION, encode
from bunbase.pkg.sandbox.filters import ALLOW, CLONE_THREAD, ERRNO, HIDE, KILL, REFUSE, UNKNOWN
from bunbase.pkg.sandbox.syscalls import MACHINES, Machine
from tests.functions.sandbox.interpreter import verdict

PID = 4711
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}

# The system call, its arguments, and the verdict of the filter.
JUDGED = [
    ("clone", (CLONE_THREAD | 0xF00,), ALLOW),
    ("clone", (17,), REFUSE),
    ("clone", (CLONE_THREAD | 0x10000000,), REFUSE),  # this makes a user namespace
    ("clone", (0x20000,), REFUSE),
    ("clone3", (), UNKNOWN),
    ("tgkill", (PID, PID, 6), ALLOW),
    ("tgkill", (PID + 1, PID, 6), REFUSE),
    ("prlimit64", (0, 7, 0, 0x7FFF00000000), ALLOW),
    ("prlimit64", (0, 7, 0x7FFF00000000, 0), REFUSE),  # the lower half of the pointer is zero
    ("prlimit64", (0, 7, 1, 0), REFUSE),
    ("prlimit64", (PID + 1, 7, 0, 1), REFUSE),
    ("prctl", (15,), ALLOW),
    ("prctl", (1, 0), REFUSE),  # PDEATHSIG
    ("prctl", (22, 2), REFUSE),  # seccomp
    ("fcntl", (3, 3), ALLOW),
    ("fcntl", (3, 8), REFUSE),  # F_SETOWN
    ("fcntl", (3, 1031), REFUSE),  # F_SETPIPE_SZ
    ("ioctl", (3, 0x5421), ALLOW),
    ("ioctl", (0, 0x5412), ERRNO | errno.ENOTTY),  # TIOCSTI
    ("execveat", (BUN_FD,), ALLOW),
    ("execveat", (-100 & 0xFFFFFFFF,), REFUSE),
    ("execve", (), REFUSE),
    ("socket", (2, 1, 0), ERRNO | errno.EACCES),
    ("newfstatat", (3, 0, 0, AT_EMPTY_PATH), ALLOW),
    ("newfstatat", (3, 0, 0, 0x100), HIDE),
    ("statx", (3, 0, AT_EMPTY_PATH), ALLOW),
    ("statx", (3, 0, 0), HIDE),
    ("faccessat", (), HIDE),
    ("uname", (), REFUSE),
    ("openat2", (), UNKNOWN),
    ("sendto", (3, 0, 1, 0x4040), ALLOW),
    ("sendto", (3, 0, 1, 0x4041), REFUSE),  # MSG_OOB
    ("recvmsg", (3, 0, 1), REFUSE),
    ("getsockopt", (3, 1, 4), ALLOW),
    ("getsockopt", (3, 1, 77), REFUSE),  # SO_PEERPIDFD
    ("setsockopt", (3, 1, 7), REFUSE),
    ("seccomp", (), REFUSE),
    ("landlock_restrict_self", (), REFUSE),
]

# These are the verdicts inside bubblewrap's root, where Bun is executed by its path.
BY_PATH = [
    ("execve", (), ALLOW),
    ("execveat", (BUN_FD,), REFUSE),
    ("clone", (17,), REFUSE),
    ("tgkill", (PID, 2, 6), ALLOW),
]

machines = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)


@machines
@pytest.mark.parametrize(("call", "arguments", "expected"), JUDGED)
def test_the_filter_judges_calls_by_their_arguments(
    machine: Machine, call: str, arguments: tuple[int, ...], expected: int
) -> None:
    program = worker_filter(PID, machine)

    assert verdict(program, machine.audit, machine.numbers[call], arguments) == expected


@machines
@pytest.mark.parametrize(("call", "arguments", "expected"), BY_PATH)
def test_the_filter_for_bubblewrap_differs_from_the_usual_one_only_in_exec_calls(
    machine: Machine, call: str, arguments: tuple[int, ...], expected: int
) -> None:
    inside, usual = worker_filter(PID, machine, Exec.BY_PATH), worker_filter(PID, machine)

    assert verdict(inside, machine.audit, machine.numbers[call], arguments) == expected
    for number in set(range(600)) - {machine.numbers["execve"], machine.numbers["execveat"]}:
        assert verdict(inside, machine.audit, number) == verdict(usual, machine.audit, number)


@machines
def test_system_calls_that_are_not_listed_are_refused(machine: Machine) -> None:
    program = worker_filter(PID, machine)
    listed = {number for name, number in machine.numbers.items() if name not in ("fork", "seccomp")}

    said = {number: verdict(program, machine.audit, number) for number in range(600) if number not in listed}

    assert {answer for number, answer in said.items() if number < 450} == {REFUSE}
    assert {answer for number, answer in said.items() if number >= 450} == {UNKNOWN}


@machines
@given(number=st.integers(0, 2**32 - 1), audit=st.integers(0, 2**32 - 1))
def test_every_system_call_of_another_architecture_kills_the_process(machine: Machine, number: int, audit: int) -> None:
    if audit != machine.audit:
        assert verdict(worker_filter(PID, machine), audit, number) == KILL


@machines
@given(number=st.integers(0x40000000, 2**32 - 1), arguments=st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_every_x32_system_call_kills_the_process(machine: Machine, number: int, arguments: list[int]) -> None:
    assert verdict(worker_filter(PID, machine), machine.audit, number, arguments) == KILL


@machines
@given(number=st.integers(0, 600), arguments=st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_every_native_system_call_is_allowed_or_refused_with_an_error(
    machine: Machine, number: int, arguments: list[int]
) -> None:
    answer = verdict(worker_filter(PID, machine), machine.audit, number, arguments)

    assert answer == ALLOW or answer & 0xFFFF0000 == ERRNO


@machines
def test_the_filter_is_a_program_that_the_kernel_accepts(machine: Machine) -> None:
    program = worker_filter(PID, machine)

    assert len(encode(program)) == len(program) * INSTRUCTION.size
    assert len(program) <= 4096
    for place, step in enumerate(program):
        assert 0 <= step.yes <= 255
        assert 0 <= step.no <= 255
        assert place + 1 + max(step.yes, step.no) < len(program) or step.yes == step.no == 0


@machines
def test_each_machine_has_a_number_for_each_system_call_of_the_filter(machine: Machine) -> None:
    # Only x86_64 has these calls.
    older = {"open", "poll", "pipe", "select", "dup2", "getpgrp", "arch_prctl", "epoll_wait"}

    missing = {name for name in ALWAYS if name not in machine.numbers}

    assert missing == (set() if machine.name == "x86_64" else older)
    assert len(set(machine.numbers.values())) == len(machine.numbers)


@machines
def test_the_system_call_numbers_equal_those_in_the_kernel_headers(machine: Machine) -> None:
    header = HEADERS[machine.name]
    if not header.exists():
        pytest.skip("the kernel's headers are not installed here")
    defined = dict(re.findall(r"^#define __NR(?:_|3264_|)([a-z_]\w*)\s+(\d+)", header.read_text(), re.MULTILINE))
    defined |= dict(re.findall(r"^#define __NR3264_(\w+)\s+(\d+)", header.read_text(), re.MULTILINE))
    if machine.name == "aarch64":
        defined |= {"newfstatat": defined["fstatat"]}

    assert {name: defined.get(name) for name in machine.numbers} == {
        name: str(number) for name, number in machine.numbers.items()
    }
