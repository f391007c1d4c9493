"""The seccomp filter: the list of system calls that a worker may make. Every other call fails.

A list of forbidden calls was rejected, because it would allow every call that a new kernel adds.

The concern: Landlock confines files, but it allows UDP, unix sockets, signals, chmod and stat. The filter forbids
these. The filter sees the arguments of a call as numbers and cannot follow a pointer, so it cannot check a path.
Landlock checks paths.

A forbidden call gets the error that makes Bun and the C library continue:
- EPERM is the usual answer.
- ENOSYS, "this kernel does not have the call", is the answer for calls newer than the list (FIRST_UNKNOWN), and for
  calls such as clone3 whose flags are behind a pointer. The C library then uses the older call, whose flags the filter
  can check. With EPERM, it would not try the older call, and Bun could not start a thread.
- ENOENT, "no such file", is the answer for stat and its relatives. Otherwise a worker could test which paths exist,
  because Landlock does not restrict stat.
- A call of another architecture, or of the x32 mode of x86_64, kills the process: the same numbers mean other calls.

The difficult part is the exec. The filter must be active before Bun starts, so it must allow the exec of Bun, and an
attacker in the worker could use that exec later. The filter allows only execveat of the descriptor BUN_FD, and the exec
closes that descriptor. An attacker could open another file as BUN_FD, but this is useless: Landlock allows executing
only Bun and the C library, and the sandbox stays active after an exec. bubblewrap 0.4 can only execute a path
(`Exec.BY_PATH`); in this case, the new root has only Bun and the C library to execute.
"""

from __future__ import annotations

import errno
from enum import Enum
from typing import Final

from bunbase.pkg.sandbox.bpf import (
    AT_LEAST,
    EQUAL,
    Program,
    give,
    high_word,
    load,
    low_word,
    skip,
)
from bunbase.pkg.sandbox.filters import (
    ALLOW,
    ERRNO,
    HIDE,
    PR_SET_NAME,
    REFUSE,
    UNKNOWN,
    install,
    on,
    on_machine,
    one_of,
    only_threads,
    with_bit,
    without_bit,
)
from bunbase.pkg.sandbox.syscalls import Machine, this_machine

# Calls from this number on are newer than this list. When they fail, programs use older calls.
FIRST_UNKNOWN: Final = 450

# Bun's executable has this descriptor, which is above the descriptors that Bun opens, and below RLIMIT_NOFILE.
BUN_FD: Final = 255

AT_EMPTY_PATH: Final = 0x1000
PR_SET_VMA: Final = 0x53564D41
# These commands duplicate descriptors and get or set flags. These commands do not change owner, lease or pipe size.
PLAIN_FCNTL: Final = (0, 1, 2, 3, 4, 1030)
HARMLESS_IOCTL: Final = (0x5451, 0x5421, 0x5413, 0x5401)  # These are FIOCLEX, FIONBIO, TIOCGWINSZ and TCGETS.
# This flag means urgent data on unix sockets. Bun does not need it, and the kernel code for it had security bugs.
MSG_OOB: Final = 1
# SO_PEERPIDFD is missing, because a worker would get the pidfd of the server
SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF = 3, 4, 7, 8

ALWAYS: Final = (
    "read", "write", "open", "close", "fstat", "poll", "lseek", "mmap", "mprotect", "munmap", "brk", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "pread64", "pwrite64", "readv", "writev", "pipe", "select", "sched_yield",
    "mremap", "madvise", "dup", "dup2", "nanosleep", "getpid", "shutdown",
    "getsockname", "getpeername", "exit", "getcwd", "gettimeofday", "getrlimit",
    "getrusage", "times", "getuid", "getgid", "geteuid", "getegid", "getppid", "getpgrp", "getgroups",
    "getresuid", "getresgid", "getpgid", "getsid", "sigaltstack", "getpriority", "sched_getparam",
    "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "arch_prctl", "gettid", "futex",
    "sched_getaffinity", "getdents64", "set_tid_address", "restart_syscall", "clock_gettime", "clock_getres",
    "clock_nanosleep", "exit_group", "epoll_wait", "epoll_ctl", "openat", "pselect6", "ppoll", "set_robust_list",
    "epoll_pwait", "timerfd_create", "timerfd_settime", "timerfd_gettime", "eventfd2", "epoll_create1", "dup3",
    "pipe2", "preadv", "pwritev", "getcpu", "getrandom", "membarrier", "preadv2", "pwritev2", "rseq", "close_range",
    "epoll_pwait2",
)  # fmt: skip
# These calls always fail with "no such file" (see ENOENT above).
BY_PATH: Final = ("stat", "lstat", "access", "faccessat", "faccessat2")


class Exec(Enum):
    """The exec that the filter allows, for the start of Bun. A worker could use the same exec later."""

    ONCE = "the descriptor BUN_FD, which exec closes"
    BY_PATH = "a path: for bubblewrap, whose root has only Bun and the C library to execute"


def worker_filter(pid: int, machine: Machine, how: Exec = Exec.ONCE) -> Program:
    """Return the filter of the process `pid`, which may send signals only to itself."""
    numbers = machine.numbers
    program = on_machine(machine)
    for name in ALWAYS:
        if name in numbers:
            program += on(numbers[name], [give(ALLOW)])
    # Bun finds its own folder by reading the links in /proc/self/fd. If both calls exist, Bun uses the older call,
    # readlink.
    if "readlink" in numbers:
        program += on(numbers["readlink"], [give(ALLOW)])
        program += on(numbers["readlinkat"], [give(HIDE)])
    else:
        program += on(numbers["readlinkat"], [give(ALLOW)])
    for name in BY_PATH:
        if name in numbers:
            program += on(numbers[name], [give(HIDE)])
    for name, body in {**_judged(pid), **_executed(how)}.items():
        program += on(numbers[name], body)
    return [*program, skip(AT_LEAST, FIRST_UNKNOWN, 0, 1), give(UNKNOWN), give(REFUSE)]


def _judged(pid: int) -> dict[str, Program]:
    """Return the filters of the calls that are allowed only with some arguments.

    Each filter ends with the step `give`.
    """
    return {
        "clone": only_threads(),
        "clone3": [give(UNKNOWN)],  # its flags are behind a pointer; after ENOSYS, the C library uses clone
        "tgkill": one_of(0, (pid,), REFUSE),
        "prlimit64": [
            *_zero(low_word(2)),
            *_zero(high_word(2)),
            *one_of(0, (0, pid), REFUSE),
        ],  # the call may read limits, but not set them
        "prctl": one_of(0, (PR_SET_NAME, PR_SET_VMA), REFUSE),
        "fcntl": one_of(1, PLAIN_FCNTL, REFUSE),
        "ioctl": one_of(1, HARMLESS_IOCTL, ERRNO | errno.ENOTTY),
        "sendto": without_bit(3, MSG_OOB),
        "recvfrom": without_bit(3, MSG_OOB),
        "recvmsg": without_bit(2, MSG_OOB),
        "getsockopt": one_of(2, (SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF), REFUSE),
        "setsockopt": [give(REFUSE)],
        "socket": [give(ERRNO | errno.EACCES)],
        "newfstatat": with_bit(3, AT_EMPTY_PATH, HIDE),
        "statx": with_bit(2, AT_EMPTY_PATH, HIDE),
        "uname": [give(REFUSE)],
        "sysinfo": [give(REFUSE)],
        "openat2": [give(UNKNOWN)],
    }


def _executed(how: Exec) -> dict[str, Program]:
    return {"execveat": one_of(0, (BUN_FD,), REFUSE)} if how is Exec.ONCE else {"execve": [give(ALLOW)]}


def _zero(offset: int) -> Program:
    return [load(offset), skip(EQUAL, 0, 1, 0), give(REFUSE)]


def confine_calls(pid: int) -> None:
    machine = this_machine()
    install(worker_filter(pid, machine), machine)
