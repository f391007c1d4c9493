"""Control groups. Some tests run anywhere; others need cgroup v2 and a delegated group (tests/machines)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.functions.problems import FunctionCrashed
from bunbase.functions.module import MODULE
from bunbase.functions.sandbox import cgroups
from bunbase.functions.sandbox.cgroups import group_of
from bunbase.functions.sandbox.layers import Layers, layers_here
from bunbase.functions.sandbox.limits import most_threads
from bunbase.functions.sandbox.worker_cgroups import HEADROOM, HEADROOM_MB, WorkerCgroups
from bunbase.functions.workers.launch import RUNTIME
from tests.fakes import FakeKms
from tests.functions.calls import call, until
from tests.functions.hosting import SECRET, killed_host
from tests.functions.neighbours import neighbours
from tests.functions.sandbox.ground import USERS, As, Ground, ask, ground
from tests.rooms import opened, site

LIMIT_MB = 128

UNIFIED = "31 25 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
HYBRID = "40 25 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n41 25 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"  # fmt: skip # noqa: E501 - a line of the kernel's
PARTLY = "31 25 0:27 /docker/one /sys/fs/cgroup ro - cgroup2 cgroup rw\n"


@pytest.mark.parametrize(
    ("memberships", "mounts", "group"),
    [
        ("0::/system.slice/bunbase.service\n", UNIFIED, "/sys/fs/cgroup/system.slice/bunbase.service"),
        ("0::/\n", UNIFIED, "/sys/fs/cgroup"),
        ("4:memory:/x\n0::/a\n", HYBRID, "/sys/fs/cgroup/unified/a"),
        ("0::/docker/one/a\n", PARTLY, "/sys/fs/cgroup/a"),
        ("0::/docker/other\n", PARTLY, None),
        ("0::/../other\n", UNIFIED, None),
        ("4:memory:/x\n", HYBRID, None),
        ("0::/a\n", "40 25 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", None),
    ],
)
def test_the_control_group_of_a_process_is_found(memberships: str, mounts: str, group: str | None) -> None:
    assert group_of(memberships, mounts) == (Path(group) if group else None)


def a_group(folder: Path, controllers: str = "cpu memory pids", processes: str = "") -> Path:
    (folder / "cgroup.controllers").write_text(controllers)
    (folder / "cgroup.subtree_control").write_text(controllers)
    (folder / "cgroup.procs").write_text(processes)
    return folder


def test_a_control_group_without_the_memory_controller_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "base_group", lambda: a_group(tmp_path, "cpu pids"))

    with pytest.raises(OSError, match="does not control memory"):
        cgroups.prepare(os.getpid())

    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_control_group_that_was_not_delegated_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "base_group", lambda: a_group(tmp_path, processes=f"{os.getpid()}\n"))

    with pytest.raises(OSError, match="not delegated"):
        cgroups.prepare(os.getpid())

    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.fixture
def _a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda _: True)


@pytest.mark.usefixtures("_a_container")
def test_a_control_group_that_holds_processes_of_others_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = os.getppid()
    monkeypatch.setattr(cgroups, "base_group", lambda: a_group(tmp_path, processes=f"{os.getpid()}\n{stranger}\n"))

    with pytest.raises(OSError, match=f"process {stranger} is in it, too"):
        cgroups.prepare(os.getpid())

    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.usefixtures("_a_container")
def test_child_processes_of_the_server_move_into_a_leaf_of_its_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        monkeypatch.setattr(cgroups, "base_group", lambda: a_group(tmp_path, processes=f"{os.getpid()}\n{child.pid}\n"))

        assert cgroups.prepare(os.getpid()) == tmp_path

        child.kill()
    assert (tmp_path / cgroups.SERVER / "cgroup.procs").read_text() == str(child.pid)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"


def test_the_control_group_of_a_worker_allows_its_memory_plus_headroom(tmp_path: Path) -> None:
    groups = WorkerCgroups(a_group(tmp_path), max_cpus=0.5)

    one, other = groups.make(256), groups.make(64)

    assert one.path != other.path
    assert int((one.path / "memory.max").read_text()) == int(256 * HEADROOM + HEADROOM_MB) << 20
    assert int((one.path / "pids.max").read_text()) == most_threads()
    assert (one.path / "cpu.max").read_text() == "50000 100000"
    assert int((groups.path / "cpu.weight").read_text()) < 100


def test_without_the_cpu_controller_no_cpu_limit_is_written(tmp_path: Path) -> None:
    groups = WorkerCgroups(a_group(tmp_path, "memory pids"), max_cpus=0.5)

    assert not (groups.make(256).path / "cpu.max").exists()
    assert not (groups.path / "cpu.weight").exists()


@pytest.mark.parametrize(
    ("events", "cause"), [("oom 3\noom_kill 0\n", ""), ("oom_kill 1\n", "memory limit of 64 MB exceeded")]
)
def test_a_worker_killed_by_the_kernel_is_reported_as_over_its_memory_limit(
    tmp_path: Path, events: str, cause: str
) -> None:
    group = WorkerCgroups(a_group(tmp_path)).make(64)
    (group.path / "memory.events").write_text(events)

    assert group.cause_of_death == cause


def test_control_groups_of_dead_servers_are_removed(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/true"]) as short_lived:
        gone = f"bunbase.workers-{cgroups.owner(short_lived.pid)}-0"
    (tmp_path / gone / "1").mkdir(parents=True)
    reused = f"bunbase.workers-{os.getpid()}-1-0"  # This names a server with the same pid that started at another time.
    mine = f"bunbase.workers-{cgroups.owner(os.getpid())}-0"
    for name in (reused, mine, cgroups.SERVER, "of-another-program"):
        (tmp_path / name).mkdir()

    cgroups.sweep(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {mine, cgroups.SERVER, "of-another-program"}


def test_functions_are_not_refused_without_control_groups() -> None:
    without = Layers(7, {"landlock": "", "seccomp": "", "rlimits": "", "cgroups": "cgroup v2 is not mounted here"})

    assert without.refusal == ""
    assert "cgroups" not in without.active


@pytest_asyncio.fixture
async def field() -> AsyncIterator[Ground]:
    """Yield a ground whose workers have control groups."""
    missing = layers_here(RUNTIME).layers["cgroups"]
    if missing or As.ROOT not in USERS:
        pytest.skip(f"no cgroups: {missing}")
    async with ground(As.ROOT, guard=False) as made:
        yield made


async def test_the_control_group_of_a_worker_is_removed_when_the_worker_ends(field: Ground) -> None:
    worker = await field.worker("module.exports.default = () => 1", memory_mb=LIMIT_MB)
    assert worker.cgroup is not None
    path = worker.cgroup.path

    assert cgroups.members(path) == [worker.pid]
    assert os.getpid() not in cgroups.members(cgroups.base_group())
    assert await ask(worker) == b"1"

    worker.kill("done")
    await until(lambda: not path.exists())


SHARED = """
    const { symbols: libc } = require("bun:ffi").dlopen("libc.so.6", {
        mmap: { args: ["u64", "u64", "i32", "i32", "i32", "i64"], returns: "u64" },
        memset: { args: ["u64", "i32", "u64"], returns: "u64" } });
    module.exports.default = () => {
        libc.memset(libc.mmap(0, 1 << 30, 3, 0x21, -1, 0), 1, 1 << 30);
        return "had it" }"""


async def test_the_control_group_limits_shared_memory_that_resource_limits_do_not_count(
    field: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field.starter, "watch_memory", lambda: None)  # The memory grows before the watchdog checks it.
    worker = await field.worker(SHARED, memory_mb=LIMIT_MB)

    with pytest.raises(FunctionCrashed):
        await ask(worker)

    assert [line.text for line in field.said] == [f"The worker died: memory limit of {LIMIT_MB} MB exceeded."]


async def test_the_next_server_removes_the_control_groups_of_a_killed_server(
    field: Ground, database_url: str, tmp_path: Path
) -> None:
    async with killed_host(database_url, tmp_path) as (server, _):
        left = f"bunbase.workers-{cgroups.owner(server)}-0"
        assert (cgroups.base_group() / left).exists()

    assert (cgroups.base_group() / left).exists()
    async with opened(MODULE, neighbours(FakeKms(SECRET)), site(tmp_path, database_url)) as functions:
        assert (await call(functions, "idle")).json == "still here"
        assert not (cgroups.base_group() / left).exists()
