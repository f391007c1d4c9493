"""A control group for each worker (cgroup v2): the kernel's own hard end of memory and threads.

    <the group that the server was started in>
        bunbase.server                   the server and its children; for a group that controls others holds no process
        bunbase.workers-<pid>-<start>-0  of one server (worker_cgroups.py), with less weight than that
            1, 2, …                      a worker each

Only where the group is the server's to divide: delegated by systemd (which else ends a whole unit when the kernel kills
a process of it for its memory), or a container's with nobody else in it.
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
DELEGATED: Final = "user.delegate"  # systemd marks so what it leaves to a unit
MOVES: Final = 20  # a server that forks while it is moved leaves children behind: they are moved in the next round


def prepare(server: int) -> Path:
    """Give the group below which workers get theirs, divided; `server` and its children are moved into a leaf.

    Raises OSError, with the reason, where that cannot be or where others would be moved along.
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
    """Give the group that this server was started in, also once it has moved. Raises OSError where there is no v2."""
    group = group_of(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    if group is None or not group.is_dir():
        raise OSError(errno.ENOTSUP, "cgroup v2 is not mounted here")
    return group.parent if group.name == SERVER else group


def group_of(memberships: str, mounts: str) -> Path | None:
    """Give where the process's v2 group is, by its /proc/<pid>/cgroup and /proc/<pid>/mountinfo."""
    path = next((line[3:] for line in memberships.splitlines() if line.startswith("0::/")), None)
    if path is None or ".." in Path(path).parts:  # it lies outside what this cgroup namespace shows
        return None
    for mount in mounts.splitlines():
        fields, _, kind = mount.partition(" - ")
        if kind.startswith("cgroup2 "):
            root, where = fields.split()[3:5]
            if Path(path).is_relative_to(root):
                return Path(where) / Path(path).relative_to(root)
    return None


def limit(group: Path, memory_bytes: int, processes: int) -> None:
    """Threads count as processes. Raises: OSError."""
    (group / "memory.max").write_text(str(memory_bytes))
    (group / "pids.max").write_text(str(processes))
    for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
        if (group / name).exists():  # no swap, no file
            (group / name).write_text(value)


def memory_kills(group: Path) -> int:
    """Give how many processes the kernel has killed since they wanted more memory than the group may have."""
    return number_in((group / "memory.events").read_text(), "oom_kill")


def number_in(counts: str, name: str) -> int:
    return next((int(line.split()[1]) for line in counts.splitlines() if line.startswith(f"{name} ")), 0)


def members(group: Path) -> list[int]:
    """Give 0 for a process of another pid namespace."""
    return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]


def owner(pid: int) -> str:
    """Name a process so that no later one is called the same. Raises: OSError for one that is gone."""
    return f"{pid}-{_stat(pid)[19]}"


def new_group(base: Path, kind: str) -> Path:
    """Make a group that bears this process's name: `sweep` removes it when the process is gone. Raises: OSError."""
    for number in itertools.count():  # one process may open Functions several times
        path = base / f"bunbase.{kind}-{owner(os.getpid())}-{number}"
        with suppress(FileExistsError):
            path.mkdir()
            return path
    raise AssertionError


def sweep(base: Path) -> None:
    """Remove the groups of processes that are gone."""
    for left in base.glob("bunbase.*-*"):
        if not _alive(left.name.partition("-")[2].rpartition("-")[0]):
            for group in [*left.glob("*/"), left]:
                removed(group)


def removed(group: Path) -> bool:
    """False while there is a process in it."""
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
        return owner(int(pid)) == owned and is_running(int(pid))  # a zombie whose end nobody asked for has no group
    except (OSError, ValueError):
        return False


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat behind the name: the second is the parent, the twentieth the time of its start."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _delegated(group: Path) -> bool:
    try:
        return os.getxattr(group, DELEGATED) == b"1"
    except OSError:
        return False


def _check_alone(base: Path, server: int) -> None:
    if not base.is_mount():  # below the top of what this cgroup namespace shows: somebody else's tree
        raise OSError(errno.EPERM, "its cgroup is not delegated to it")
    if strangers := [pid for pid in members(base) if not _descends(pid, server)]:
        raise OSError(errno.EPERM, f"its cgroup is not its own: process {strangers[0]} is in it, too")


def _descends(pid: int, ancestor: int) -> bool:
    one = pid
    while one not in (ancestor, 0):
        try:
            one = int(_stat(one)[1])
        except OSError:
            return not Path(f"/proc/{pid}").exists()  # it has ended, which is as good
    return one == ancestor


def _move(pid: int, group: Path) -> None:
    with suppress(ProcessLookupError):  # it has ended
        (group / "cgroup.procs").write_text(str(pid))


def _divided(base: Path, wanted: str) -> Path:
    (base / "cgroup.subtree_control").write_text(wanted)
    return base
