"""The zygote: a small process that only starts workers. It imports only the standard library and the sandbox.

The concern: a server with threads, an event loop and open connections must not fork, because the child would inherit
all of them in the middle of whatever the threads were doing. So the server starts this process first. Its life:

1. `main` receives two arguments: the descriptor of a SEQPACKET socket to the server, and the server's pid.
2. It ignores the usual signals. Only the server ends it, after the calls have ended.
3. `serve` waits for a message of the server or for the end of a child, which it reaps.
4. A message is JSON with the settings of one worker; the worker's channel comes along by SCM_RIGHTS.
5. `fork_worker` looks up the rules of the sandbox (once, before the fork, since this costs more than all the rest).
6. The child closes every other descriptor, enters its control group, gives up its privileges and becomes Bun; or it
   becomes bubblewrap, whose child becomes Bun. If any step fails, nothing is executed, and the reason goes to the
   channel as an UNCONFINED frame.
7. The zygote answers `{"pid"}` with a pidfd, or `{"error"}`. The pid is Bun's in both cases.
8. When the server ends, in whatever way, the socket closes and `serve` returns.
9. When the zygote ends, PR_SET_PDEATHSIG makes the kernel kill every worker, even one in an endless loop that would
   never notice that its channel has closed.
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
from bunbase.functions.sandbox.kernel import PR_SET_PDEATHSIG, prctl
from bunbase.functions.sandbox.landlock import Rule
from bunbase.functions.sandbox.limits import enter_cgroup
from bunbase.functions.sandbox.seccomp import BUN_FD

CHANNEL_FD = 3
INFO_FD = 4  # bubblewrap writes its child's pid here
MAX_MESSAGE_BYTES = 64 * 1024
LAUNCH_FAILED = 127
UNCONFINED = 15  # workers/frames.py: the one frame that is not Bun's


def serve(control: socket.socket) -> None:
    """Start what is asked for until the server is gone."""
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler of any kind, so that the pipe is written to
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
    """Answer one message; False when the server is gone."""
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
    return pid, os.pidfd_open(pid)  # cannot miss: children are reaped in `serve` only


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
        finally:  # never go on as a second zygote, whatever happened
            os._exit(LAUNCH_FAILED)
    return pid


@cache
def rules_of(program: str, directory: str) -> list[Rule]:
    """Return the rules for files. Cached and called before the fork, because it costs more than all other steps."""
    return rules_for(program, directory)


@cache
def walls_of(program: str, directory: str) -> list[str]:
    return bubblewrap.walls(rules_of(program, directory), links_for(program), directory)


def become_worker(
    wanted: dict[str, Any], confinement: Confinement | None, rules: list[Rule], channel: int, zygote: int
) -> None:
    """Drop everything of the zygote, confine this process, and exec Bun. If this raises, nothing may be executed."""
    os.setsid()
    keep_only(channel, wanted["program"])
    if wanted["group"]:
        enter_cgroup(wanted["group"])
    if confinement is not None:
        ruleset = files_of(confinement, rules)
        give_up_privileges(confinement)
    if not depend_on(zygote):
        return
    os.chdir(wanted["directory"])
    if confinement is not None:
        close_the_doors(ruleset)
    os.execve(BUN_FD, wanted["arguments"], wanted["environment"])  # noqa: S606 - that is what this is for


def become_bubblewrap(
    wanted: dict[str, Any], confinement: Confinement, walls: list[str], channel: int, told: int, zygote: int
) -> None:
    """Do the same as `become_worker`, without the steps that bubblewrap does itself."""
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
    """Close every descriptor but the channel, the program to execute, and `told`; 0 to 2 become /dev/null."""
    channel = os.dup(channel)  # above the standard descriptors and 3, whatever it was before
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
    """Tell the server over the channel why no worker starts."""
    text = reason.encode()
    with suppress(OSError):
        os.write(CHANNEL_FD, struct.pack(">IBI", 5 + len(text), UNCONFINED, 0) + text)


def depend_on(zygote: int) -> bool:
    """Be killed when the zygote ends, and by the usual signals; False if the zygote has ended already."""
    if not die_with_parent(zygote):  # only now: a change of user would undo it
        return False
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)  # exec keeps what is ignored
    return True


def die_with_parent(parent: int) -> bool:
    """Have the kernel kill this process when its parent dies; False if that has happened already."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def main() -> None:
    # The closing socket would end the zygote too, but a copy of it in another child of the server would keep it open.
    if not die_with_parent(int(sys.argv[2])):
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the server alone ends it, after the calls
    with socket.socket(fileno=int(sys.argv[1])) as control:
        serve(control)
