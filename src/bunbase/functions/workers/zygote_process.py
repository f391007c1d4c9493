"""The zygote: a small process that only starts workers. The zygote imports only the standard library and the sandbox.

The concern: the sandbox must be set up in the child, between fork and exec, and this takes Python code. But a server
with threads must not run Python code in a forked child: if another thread held a lock at the fork, the lock stays
locked forever, and the child hangs. For this reason `subprocess` with `preexec_fn`, the obvious alternative, was
rejected. The zygote has one thread and no locks, so its children may run Python code. Its life:

1. `main` receives two arguments: the descriptor of a SEQPACKET socket to the server, and the server's pid.
2. The zygote ignores SIGINT, SIGTERM and SIGHUP. A signal to all processes of a service must not end the zygote,
   because the server first lets the running calls end, and then ends the zygote.
3. `serve` waits for a message of the server, and for the end of children, which it reaps.
4. A message is JSON with the settings of one worker. The descriptor of the worker's channel comes with it (SCM_RIGHTS).
5. `fork_worker` computes the sandbox's rules for files, then forks. The zygote caches the rules, because they cost more
   than all other steps together.
6. The child closes all other descriptors, enters its control group, gives up its privileges and executes Bun. With
   bubblewrap, the child executes bubblewrap, and the child of bubblewrap executes Bun. If a step fails, the child
   executes nothing: it writes the reason to the channel as an UNCONFINED frame and exits.
7. The zygote answers with `{"pid"}` and a pidfd, or with `{"error"}`. The pid is always the pid of Bun.
8. When the server ends, the kernel closes the socket, `serve` returns, and the zygote ends.
9. When the zygote ends, the kernel kills every worker (PR_SET_PDEATHSIG). The closed channel alone would not be enough,
   because a worker in an endless loop never reads from the channel.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from bunbase.functions.sandbox import bubblewrap
from bunbase.functions.sandbox.bun_files import links_for, rules_for
from bunbase.functions.sandbox.confine import Confinement, close_the_doors, files_of, give_up_privileges
from bunbase.functions.sandbox.limits import enter_cgroup
from bunbase.functions.sandbox.seccomp import BUN_FD
from bunbase.pkg.sandbox.kernel import PR_SET_PDEATHSIG, prctl
from bunbase.pkg.sandbox.landlock import Rule

CHANNEL_FD = 3
INFO_FD = 4  # bubblewrap writes the pid of its child to this descriptor.
MAX_MESSAGE_BYTES = 64 * 1024
LAUNCH_FAILED = 127
UNCONFINED = 15  # workers/frames.py has the same number. This process sends no other frame.


def serve(control: socket.socket) -> None:
    """Start workers at the server's request until the server has ended."""
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # Python writes to the wakeup pipe only if the signal has a handler.
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if woken in ready:
            os.read(woken, 512)
            reap()
        if control.fileno() in ready and not answer(control):
            return


def answer(control: socket.socket) -> bool:
    """Answer one message. Return False if the server has ended."""
    message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
    if not message:
        return False
    try:
        pid, pidfd = fork_worker(json.loads(message), descriptors[0])
    except OSError as error:
        return tell(control, {"error": str(error)}, [])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    try:
        return tell(control, {"pid": pid}, [pidfd])
    finally:
        os.close(pidfd)


def tell(control: socket.socket, message: dict[str, Any], descriptors: list[int]) -> bool:
    try:
        socket.send_fds(control, [json.dumps(message).encode()], descriptors)
    except OSError:
        return False
    return True


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def fork_worker(wanted: dict[str, Any], channel: int) -> tuple[int, int]:
    """Return the pid and a pidfd of the new worker. Raises: OSError."""
    zygote = os.getpid()
    confinement = Confinement.read(wanted["confinement"]) if wanted["confinement"] else None
    if confinement is not None and confinement.bubblewrap:
        return fork_bubblewrap(wanted, confinement, channel, zygote)
    rules = rules_of(wanted["program"], wanted["directory"]) if confinement else []
    pid = forked(lambda: become_worker(wanted, confinement, rules, channel, zygote))
    return pid, os.pidfd_open(pid)  # The pid cannot belong to another process yet, because only `serve` reaps children.


def fork_bubblewrap(wanted: dict[str, Any], confinement: Confinement, channel: int, zygote: int) -> tuple[int, int]:
    walls = walls_of(wanted["program"], wanted["directory"])
    info, told = os.pipe()
    try:
        pid = forked(lambda: become_bubblewrap(wanted, confinement, walls, channel, told, zygote))
    except OSError:
        os.close(info)
        raise
    finally:
        os.close(told)
    return bubblewrap.worker_of(info, pid)


def forked(become: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            become()
        except Exception as error:
            refuse(str(error))
        finally:  # In every case, the child must not return, because it would become a second zygote.
            os._exit(LAUNCH_FAILED)
    return pid


@cache
def rules_of(program: str, directory: str) -> list[Rule]:
    """Return the rules for files.

    Call this before the fork, so that the cache is in the zygote and not in the child.
    """
    return rules_for(program, directory)


@cache
def walls_of(program: str, directory: str) -> list[str]:
    return bubblewrap.walls(rules_of(program, directory), links_for(program))


def become_worker(
    wanted: dict[str, Any], confinement: Confinement | None, rules: list[Rule], channel: int, zygote: int
) -> None:
    """Close the zygote's descriptors, confine this process, and execute Bun.

    The order of the steps matters. The control group and the ruleset of Landlock need files that the later user may not
    open. `depend_on` comes after the change of user, because the kernel clears PDEATHSIG when the user changes.
    seccomp comes last, because it forbids the calls of all other steps.

    If a step raises an error, nothing may be executed.
    """
    os.setsid()
    keep_only(channel, wanted["program"])
    if wanted["group"]:
        enter_cgroup(wanted["group"])
    if confinement is not None:
        ruleset = files_of(confinement, rules)
        give_up_privileges(confinement)
    if not depend_on(zygote):
        return
    os.chdir("/")  # A function sees this as its current folder. Bun reads nothing from it.
    if confinement is not None:
        close_the_doors(ruleset)
    os.execve(BUN_FD, wanted["arguments"], wanted["environment"])  # noqa: S606 - that is what this is for


def become_bubblewrap(
    wanted: dict[str, Any], confinement: Confinement, walls: list[str], channel: int, told: int, zygote: int
) -> None:
    """Execute bubblewrap.

    The steps are the same as in `become_worker`, except the steps that bubblewrap does itself.
    """
    os.setsid()
    keep_only(channel, confinement.bubblewrap, told)
    if wanted["group"]:
        enter_cgroup(wanted["group"])
    give_up_privileges(confinement)
    if not depend_on(zygote):
        return
    inside = [wanted["program"], *wanted["arguments"][1:]]
    command = bubblewrap.command(walls, inside, bubblewrap.open_filter(), INFO_FD)
    bubblewrap.enter(BUN_FD, command, wanted["environment"])


def keep_only(channel: int, program: str, told: int | None = None) -> None:
    """Close all descriptors except the channel, the program to execute, and `told`. Open /dev/null as 0, 1 and 2.

    The channel becomes CHANNEL_FD and the program BUN_FD. An exec by descriptor needs no path, so the sandbox can
    forbid every other exec (seccomp.py).
    """
    channel = os.dup(channel)  # This copy is above descriptor 3, because the calls of dup2 below must not overwrite it.
    executed = os.open(program, os.O_PATH | os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    highest = CHANNEL_FD
    if told is not None:
        told, highest = os.dup(told), INFO_FD
        os.dup2(told, INFO_FD)
    os.dup2(channel, CHANNEL_FD)
    os.dup2(executed, BUN_FD, inheritable=False)
    os.closerange(highest + 1, BUN_FD)
    os.closerange(BUN_FD + 1, os.sysconf("SC_OPEN_MAX"))


def refuse(reason: str) -> None:
    """Send the server an UNCONFINED frame with the reason why the worker does not start."""
    text = reason.encode()
    with suppress(OSError):
        os.write(CHANNEL_FD, struct.pack(">IBI", 5 + len(text), UNCONFINED, 0) + text)


def depend_on(zygote: int) -> bool:
    """Tie the life of this process to the zygote, and reset its signals.

    Return False if the zygote has already ended.
    """
    if not die_with_parent(zygote):  # This comes after the change of user, which would clear the setting.
        return False
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)  # exec does not reset ignored signals.
    return True


def die_with_parent(parent: int) -> bool:
    """Make the kernel kill this process when its parent dies. Return False if the parent has already died.

    The check of the parent comes after the prctl, because a parent that died before the prctl sends no signal.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def main() -> None:
    # The end of the server usually closes the socket, and `serve` returns. But another child of the server may have a
    # copy of the server's end, which keeps the socket open. The signal from the kernel does not depend on the socket.
    if not die_with_parent(int(sys.argv[2])):
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The zygote ignores this signal, because only the server ends it, after the running calls.
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        serve(control)
