"""Tries each layer on this machine: a child process applies the layer, and then attacks it.

Checking version numbers was rejected: a container or a kernel option can disable a layer that the kernel's version has.
The probe forks, which the server itself must not do. So the server runs `main` as another process (layers.py). `main`
prints `{"abi": …, "layers": {name: reason}}`; an empty reason means that the layer works.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bunbase.functions.sandbox import bubblewrap, cgroups
from bunbase.functions.sandbox.bun_files import WORKER_SCRIPT, links_for, rules_for
from bunbase.functions.sandbox.limits import DATA_BEYOND_LIMIT_MB, MB, enter_cgroup, limit_resources
from bunbase.functions.sandbox.seccomp import confine_calls
from bunbase.pkg.sandbox import landlock
from bunbase.pkg.sandbox.kernel import no_new_privileges
from bunbase.pkg.sandbox.namespaces import HOST_NAME, leave_the_hosts
from bunbase.pkg.sandbox.privileges import SETFCAP, become_nobody_else, drop_capabilities

TRIAL_SECONDS: Final = 20  # A trial may take this long, which is enough for a machine under heavy load.
MAX_REASON_BYTES: Final = 4096
MAX_LINE: Final = 300
PROBED_MB: Final = 64
LOOK_AROUND: Final = """
const fs = require("fs");
const refused = (otherwise, expected, attack) => {
  try { attack() } catch (error) { if (error.code === expected) return; otherwise += ": " + error.code }
  console.log(otherwise);
  process.exit();
};
refused("a file outside could be read", "ENOENT", () => fs.readFileSync(process.env.OUTSIDE));
refused("a file could be written", "EROFS", () => fs.writeFileSync("/written", ""));
refused("what the kernel says of others could be read", "ENOENT", () => fs.readdirSync("/proc/1"));
if (process.pid !== 1) console.log("other processes could be seen");
else console.log("confined");
"""
TRIAL_MB: Final = 32
TRIAL_PROCESSES: Final = 4
TRIAL_PAUSE_SECONDS: Final = 0.01


class Broken(Exception):
    """The layer is missing, or the attack succeeded although the layer was applied. The message is the reason."""


def main() -> None:
    print(json.dumps({"abi": landlock.version(), "layers": probe(*sys.argv[1:])}))  # noqa: T201 - the server reads it


def probe(files: str, runtime: str, bun: str, bwrap: str) -> dict[str, str]:
    """Return for each layer the reason why it fails here, or "" if it works. `runtime`: the folder that workers read.

    `files`: the layers to try for files: "landlock", "bubblewrap", "auto" (bubblewrap if Landlock fails) or "all".
    """
    server = os.getppid()
    user = outcome(lambda: try_user(runtime))
    found = {}
    if files != "bubblewrap":
        found["landlock"] = outcome(lambda: try_landlock(runtime))
    if files in ("bubblewrap", "all") or (files == "auto" and found["landlock"]):
        found["bubblewrap"] = outcome(lambda: try_bubblewrap(runtime, bun, bwrap, own_user=not user))
    in_bubblewrap = found.get("landlock") != "" and found.get("bubblewrap") == ""
    return {
        **found,
        "seccomp": outcome(try_seccomp),
        "rlimits": outcome(try_limits),
        "user": user,
        "namespaces": "" if in_bubblewrap else outcome(try_namespaces),  # bubblewrap has already made the namespaces
        "cgroups": outcome(lambda: try_cgroups(server)),
    }


def outcome(trial: Callable[[], None]) -> str:
    """Run the trial in a child process. Return the reason why it failed, or ""."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        reason = b"it did not finish"
        try:
            signal.alarm(TRIAL_SECONDS)
            os.close(reader)
            reason = reason_of(trial).encode()
        finally:
            os.write(writer, reason or b"\0")
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read(MAX_REASON_BYTES)
    os.waitpid(pid, 0)
    return "" if said == b"\0" else said.decode() or "the trial was killed"


def reason_of(trial: Callable[[], None]) -> str:
    try:
        trial()
    except Broken as broken:
        return str(broken)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def try_landlock(runtime: str) -> None:
    abi = landlock.version()
    if abi == 0:
        raise Broken("the kernel has no Landlock, or it is not switched on")
    inside = os.path.join(runtime, WORKER_SCRIPT)
    landlock.enter(landlock.ruleset([(runtime, landlock.READ_FILE | landlock.READ_DIR)], abi))
    os.close(os.open(inside, os.O_RDONLY))
    refused("a file outside could be read", errno.EACCES, lambda: os.open(__file__, os.O_RDONLY))
    refused("a folder outside could be listed", errno.EACCES, lambda: os.listdir("/"))
    refused("a file could be written", errno.EACCES, lambda: os.open("/dev/null", os.O_WRONLY))


def try_bubblewrap(runtime: str, bun: str, bwrap: str, own_user: bool) -> None:
    """Run a script in Bun that attacks the layer from inside: Bun is the only program in the new root."""
    # This import takes longer than all other trials together, and most machines do not need it.
    import subprocess

    if not bwrap:
        raise Broken("bwrap is not installed")
    if not bun:
        raise Broken("the trial needs Bun, which is not installed")

    def give_up() -> None:
        if own_user:
            become_nobody_else(os.getpid())
        elif os.geteuid() == 0:
            drop_capabilities((SETFCAP,))
        no_new_privileges()

    walls = bubblewrap.walls(rules_for(bun, runtime), links_for(bun))
    filter = bubblewrap.open_filter()
    done = subprocess.run(  # noqa: S603 - every argument is our own
        bubblewrap.command(walls, [bun, "-e", LOOK_AROUND], filter),
        executable=bwrap,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"OUTSIDE": __file__},
        pass_fds=(filter,),
        preexec_fn=give_up,
        timeout=TRIAL_SECONDS,
    )
    said = done.stdout.decode(errors="replace").strip()
    if said != "confined":
        raise Broken(said.partition("\n")[0].removeprefix("bwrap: ")[:MAX_LINE] or "it ended without a message")


def try_seccomp() -> None:
    confine_calls(os.getpid())
    refused("a socket could be made", errno.EACCES, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    refused("a process could be started", errno.EPERM, fork)
    refused("a signal could be sent", errno.EPERM, lambda: os.kill(os.getppid(), 0))
    refused("a process could be looked at", errno.EPERM, lambda: os.pidfd_open(os.getppid()))


def try_limits() -> None:
    no_new_privileges()
    limit_resources(PROBED_MB, own_user=False)
    too_much = (PROBED_MB + DATA_BEYOND_LIMIT_MB) * MB
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    refused("more memory than allowed could be had", errno.ENOMEM, lambda: mmap.mmap(-1, too_much, flags=private))


def try_user(runtime: str) -> None:
    if os.geteuid() != 0:
        raise Broken("only root can give each worker a user of its own")
    become_nobody_else(os.getpid())
    refused("it could become root again", errno.EPERM, lambda: os.setuid(0))
    try:
        Path(runtime, WORKER_SCRIPT).read_bytes()
    except OSError:
        raise Broken(f"other users may not read {runtime}: install BunBase where they may, e.g. below /opt") from None


def try_namespaces() -> None:
    if os.geteuid() != 0:
        raise Broken("only root can give each worker namespaces of its own")
    leave_the_hosts()
    if os.uname().nodename != HOST_NAME.decode() or [name for _, name in socket.if_nameindex() if name != "lo"]:
        raise Broken("the host's network or name could still be seen")


def try_cgroups(server: int) -> None:
    """Try limits in a trial group. Unlike the other trials, this trial has a lasting effect: it moves the server.

    The server's group is divided, so that it can have groups for workers (cgroups.py).
    """
    group = cgroups.new_group(cgroups.prepare(server), "trial")
    try:
        cgroups.limit(group, TRIAL_MB * MB, TRIAL_PROCESSES)
        if death_in(group, fork_often) != 0:
            raise Broken("more processes than allowed could be started")
        death = death_in(group, lambda: b"x" * (2 * TRIAL_MB * MB))
        if death != signal.SIGKILL or not cgroups.memory_kills(group):
            raise Broken("more memory than allowed could be had")
    finally:
        # This waits until the last process in the group has ended. `outcome` sets the time limit.
        while not cgroups.removed(group):
            time.sleep(TRIAL_PAUSE_SECONDS)


def death_in(group: Path, attack: Callable[[], object]) -> int:
    """Run the attack in a child process in the group, and return the child's wait status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            enter_cgroup(str(group))
            attack()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def fork_often() -> None:
    """Fork more processes than the group may have. Raises: Broken if the kernel allows this."""
    for _ in range(2 * TRIAL_PROCESSES):
        try:
            fork()
        except BlockingIOError:
            return
    raise Broken


def refused(otherwise: str, expected: int, attack: Callable[[], object]) -> None:
    """Run the attack. Raises: Broken if the attack succeeds or fails with another error."""
    try:
        attack()
    except OSError as error:
        if error.errno == expected:
            return
        raise Broken(f"{otherwise}: {error.strerror}") from error
    raise Broken(otherwise)


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)
