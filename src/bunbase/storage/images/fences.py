"""Confines a process that reads the bytes of a stranger: no files, no sockets, no other processes, little memory.

All that the work needs is loaded before, so the fences are higher than those of functions: the process may not open any
path, and may not make memory executable. It reads one image from its channel and writes one answer.

seccomp and the resource limits are required. Landlock repeats the fence for files where the kernel has it, and a server
that is root gives each process its own user.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
from collections.abc import Callable
from typing import Final

from bunbase.pkg.sandbox import landlock
from bunbase.pkg.sandbox.bpf import EQUAL, Program, give, high_word, load, low_word, skip
from bunbase.pkg.sandbox.filters import (
    ALLOW,
    ERRNO,
    PR_SET_NAME,
    REFUSE,
    UNKNOWN,
    install,
    on,
    on_machine,
    one_of,
    only_threads,
    without_bit,
)
from bunbase.pkg.sandbox.kernel import PR_SET_PDEATHSIG, prctl
from bunbase.pkg.sandbox.privileges import become_nobody_else, drop_capabilities
from bunbase.pkg.sandbox.syscalls import Machine, this_machine

MEMORY_BYTES: Final = 1 << 30
CPU_SECONDS: Final = 10
OPEN_FILES: Final = 16
THREADS: Final = 32
EXECUTABLE: Final = 0x4  # PROT_EXEC
NO_FILE: Final = ERRNO | errno.EACCES
ALLOWED: Final = (
    "read", "write", "close", "fstat", "poll", "ppoll", "lseek", "munmap", "brk", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "sigaltstack", "sched_yield", "mremap", "madvise", "nanosleep", "clock_nanosleep", "clock_gettime",
    "clock_getres", "gettimeofday", "getpid", "gettid", "getppid", "getuid", "geteuid", "futex", "sched_getaffinity",
    "getrusage", "getrlimit", "set_robust_list", "restart_syscall", "rseq", "membarrier", "getcpu", "getrandom", "exit",
    "exit_group",
)  # fmt: skip
PATHS: Final = (
    "open",
    "openat",
    "stat",
    "lstat",
    "newfstatat",
    "statx",
    "access",
    "faccessat",
    "readlink",
    "readlinkat",
)


def confine(parent: int, memory_bytes: int = MEMORY_BYTES) -> None:
    """Confine this process, which has one thread, permanently. Raises: OSError.

    `parent`: the process whose end also ends this process. The check comes after the change of user, which clears the
    setting.
    """
    ruleset = landlock.ruleset([], abi) if (abi := landlock.version()) else None
    _limit(memory_bytes)
    if os.geteuid() == 0:
        try:
            become_nobody_else(os.getpid())
        except OSError:  # a container with few mapped users
            drop_capabilities()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise OSError(errno.ESRCH, "the parent has ended")
    if ruleset is not None:
        landlock.enter(ruleset)
    machine = this_machine()
    install(_filter(os.getpid(), machine), machine)


def attacks() -> str:
    """Attack the fences of this process, which must be confined. Return the attacks that succeeded, or ""."""
    tries: dict[str, Callable[[], object]] = {
        "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
        # S108, S606: the probe tries what the fences must stop.
        "write a file": lambda: os.open("/tmp/bunbase-probe", os.O_WRONLY | os.O_CREAT, 0o600),  # noqa: S108
        "list a folder": lambda: os.listdir("/"),
        "open a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "open a unix socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "start a process": os.fork,
        "execute a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606
        "signal its parent": lambda: os.kill(os.getppid(), 0),
    }
    return ", ".join([name for name, attempt in tries.items() if _succeeds(attempt)])


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _limit(memory_bytes: int) -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_AS: memory_bytes,
    }
    if os.geteuid() == 0:  # it counts the threads of a user, and the process gets its own user
        limits[resource.RLIMIT_NPROC] = THREADS
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def _filter(pid: int, machine: Machine) -> Program:
    numbers = machine.numbers
    program = on_machine(machine)
    for name in ALLOWED:
        if name in numbers:
            program += on(numbers[name], [give(ALLOW)])
    for name in PATHS:
        if name in numbers:
            program += on(numbers[name], [give(NO_FILE)])
    judged = {
        "mmap": without_bit(2, EXECUTABLE),
        "mprotect": without_bit(2, EXECUTABLE),
        "clone": only_threads(),
        "clone3": [give(UNKNOWN)],  # its flags are behind a pointer; after ENOSYS, the C library uses clone
        "prctl": one_of(0, (PR_SET_NAME,), REFUSE),
        "tgkill": one_of(0, (pid,), REFUSE),
        "prlimit64": [*_zero(low_word(2)), *_zero(high_word(2)), *one_of(0, (0, pid), REFUSE)],
    }
    for name, body in judged.items():
        program += on(numbers[name], body)
    return [*program, give(REFUSE)]


def _zero(offset: int) -> Program:
    return [load(offset), skip(EQUAL, 0, 1, 0), give(REFUSE)]
