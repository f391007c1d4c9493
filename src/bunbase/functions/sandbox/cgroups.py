"""A control group (cgroup v2) for each worker. With cgroups, the kernel itself enforces limits on memory and threads.

    <the group in which the server was started>
        bunbase.server                   the server and its children: a group with subgroups may hold no processes
        bunbase.workers-<pid>-<start>-0  all workers of one server (worker_cgroups.py), with less weight than the server
            1, 2, …                      one group for each worker

The server divides its group only if the group belongs to the server alone. There are two such cases: systemd has
delegated the group, or the group is the group of a container with no other processes. (Without delegation, systemd ends
the whole unit when the kernel kills one process because of its memory.)
"""

from __future__ import annotations

import errno
import itertools
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from bunbase.pkg.processes import is_running

SERVER: Final = "bunbase.server"
NEEDED: Final = ("memory", "pids")
USED: Final = (*NEEDED, "cpu")
DELEGATED: Final = "user.delegate"  # systemd sets this attribute on a group that it delegates to a unit.
# The server is moved in at most this many rounds. If it forks while it is moved, its children stay behind, and the next
# round moves them.
MOVES: Final = 20


def prepare(server: int) -> Path:
    """Divide the server's group, and return the group.

    `server`: a pid; this process and its children move into a subgroup.

    Raises: OSError with the reason if the group cannot be divided, or contains processes of other programs.
    """
    base = base_group()
    offered = (base / "cgroup.controllers").read_text().split()
    if missing := [name for name in NEEDED if name not in offered]:
        raise OSError(errno.ENOTSUP, f"its cgroup does not control {' and '.join(missing)}")
    if not _delegated(base):
        _check_alone(base, server)
    (base / SERVER).mkdir(exist_ok=True)
    wanted = " ".join(f"+{name}" for name in USED if name in offered)
    for _ in range(MOVES):
        for pid in members(base):
            _move(pid, base / SERVER)
        try:
            return _divided(base, wanted)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
    raise OSError(errno.EBUSY, "its cgroup could not be emptied")


def base_group() -> Path:
    """Return the group in which this server was started, even after the server has moved.

    Raises: OSError without cgroup v2.
    """
    group = group_of(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    if group is None or not group.is_dir():
        raise OSError(errno.ENOTSUP, "cgroup v2 is not mounted here")
    return group.parent if group.name == SERVER else group


def group_of(memberships: str, mounts: str) -> Path | None:
    """Return the folder of a process's v2 group, from the texts of its /proc/<pid>/cgroup and /proc/<pid>/mountinfo."""
    path = next((line[3:] for line in memberships.splitlines() if line.startswith("0::/")), None)
    # The part ".." means that the group is outside of this cgroup namespace.
    if path is None or ".." in Path(path).parts:
        return None
    for mount in mounts.splitlines():
        fields, _, kind = mount.partition(" - ")
        if kind.startswith("cgroup2 "):
            root, where = fields.split()[3:5]
            if Path(path).is_relative_to(root):
                return Path(where) / Path(path).relative_to(root)
    return None


def limit(group: Path, memory_bytes: int, processes: int) -> None:
    """Set the limits of a group. `processes`: the limit of processes, where threads count too. Raises: OSError."""
    (group / "memory.max").write_text(str(memory_bytes))
    (group / "pids.max").write_text(str(processes))
    for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
        # The file may be missing: for example, a kernel without swap does not have memory.swap.max.
        if (group / name).exists():
            (group / name).write_text(value)


def memory_kills(group: Path) -> int:
    """Return how many processes of the group the kernel has killed because of the group's memory limit."""
    return number_in((group / "memory.events").read_text(), "oom_kill")


def number_in(counts: str, name: str) -> int:
    return next((int(line.split()[1]) for line in counts.splitlines() if line.startswith(f"{name} ")), 0)


def members(group: Path) -> list[int]:
    """Return the pids of a group's processes. For a process in another pid namespace, the pid is 0."""
    return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]


def owner(pid: int) -> str:
    """Return a name that is unique for a process: its pid and start time. Raises: OSError if the process has ended."""
    return f"{pid}-{_stat(pid)[19]}"


def new_group(base: Path, kind: str) -> Path:
    """Make a group whose name contains this process's name, so that `sweep` can remove it later. Raises: OSError."""
    # The name has a number, because one process may open Functions several times.
    for number in itertools.count():
        path = base / f"bunbase.{kind}-{owner(os.getpid())}-{number}"
        with suppress(FileExistsError):
            path.mkdir()
            return path
    raise AssertionError


def sweep(base: Path) -> None:
    """Remove the groups of processes that have ended."""
    for left in base.glob("bunbase.*-*"):
        if not _alive(left.name.partition("-")[2].rpartition("-")[0]):
            for group in [*left.glob("*/"), left]:
                removed(group)


def removed(group: Path) -> bool:
    """Remove a group. Return False if a process is still in it."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _alive(owned: str) -> bool:
    pid = owned.partition("-")[0]
    try:
        return owner(int(pid)) == owned and is_running(int(pid))  # A zombie does not count as running.
    except (OSError, ValueError):
        return False


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat after the name: index 1 is the parent, index 19 the start time."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _delegated(group: Path) -> bool:
    try:
        return os.getxattr(group, DELEGATED) == b"1"
    except OSError:
        return False


def _check_alone(base: Path, server: int) -> None:
    # The directory is not the root of this cgroup namespace, so the group belongs to another manager.
    if not base.is_mount():
        raise OSError(errno.EPERM, "its cgroup is not delegated to it")
    if strangers := [pid for pid in members(base) if not _descends(pid, server)]:
        raise OSError(errno.EPERM, f"its cgroup is not its own: process {strangers[0]} is in it, too")


def _descends(pid: int, ancestor: int) -> bool:
    one = pid
    while one not in (ancestor, 0):
        try:
            one = int(_stat(one)[1])
        except OSError:
            return not Path(f"/proc/{pid}").exists()  # A process that has ended is no obstacle.
    return one == ancestor


def _move(pid: int, group: Path) -> None:
    with suppress(ProcessLookupError):  # The process has ended.
        (group / "cgroup.procs").write_text(str(pid))


def _divided(base: Path, wanted: str) -> Path:
    (base / "cgroup.subtree_control").write_text(wanted)
    return base
