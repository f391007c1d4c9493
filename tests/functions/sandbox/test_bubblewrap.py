"""Tests of bubblewrap alone: the root that it makes, its outer process, the exec that its filter allows, its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import pytest_asyncio

from bunbase.contracts.functions.problems import FunctionCrashed, FunctionsUnavailable
from bunbase.functions.sandbox.bun_files import links_for, rules_for
from bunbase.functions.sandbox.confine import Confinement
from bunbase.functions.sandbox.layers import ConfineWith
from bunbase.functions.workers.frames import Frame
from bunbase.functions.workers.launch import ENVIRONMENT, RUNTIME
from bunbase.functions.workers.worker import Worker
from bunbase.pkg.bun import find_bun
from bunbase.pkg.errors import Problem
from tests.functions.calls import until
from tests.functions.sandbox.ground import LONG, NEEDS_BUBBLEWRAP, USERS, Ground, aim, ask, ground
from tests.functions.sandbox.test_resources import (
    CRASHES,
    LIMIT_MB,
    MEMORY_BOMBS,
    TIME_BOMBS,
    assert_all_is_well,
    handler,
)
from tests.functions.workers.test_processes import alive

pytestmark = NEEDS_BUBBLEWRAP

ATTACKS = Path(__file__).with_name("attacks.cjs").read_text()
SHOWN_OF_ITSELF = {"/proc/self/maps", "/proc/self/stat", "/proc/self/statm", "/proc/self/fd"}
DEVICES = {"/dev/null", "/dev/urandom"}
NAMESPACES = ("mnt", "user", "pid", "net", "uts", "ipc")
ENTRIES = """
    const fs = process.getBuiltinModule("fs");
    const below = (folder) => fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = `${folder}/${entry.name}`.replace("//", "/");
      return path === "/proc/self/fd" ? [path] : entry.isDirectory() ? [path, ...below(path)] : [path];
    });"""


@pytest_asyncio.fixture(params=USERS)
async def field(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    async with ground(request.param, guard=False, confine_with=ConfineWith.BUBBLEWRAP) as made:
        yield made


async def answered(field: Ground, body: str, path: str = "/") -> Any:
    worker = await field.worker(f"module.exports.default = async (req) => {{ {body} }}")
    return msgspec.json.decode(await ask(worker, path))


async def test_the_root_contains_only_files_that_bun_needs(field: Ground) -> None:
    bun = str(find_bun())
    files = {path for path, _ in rules_for(bun, str(RUNTIME)) if Path(path).exists()} | SHOWN_OF_ITSELF
    files |= {link for link, _ in links_for(bun)} | {str(path) for path in RUNTIME.rglob("*")}

    seen = set(await answered(field, ENTRIES + "return below('/')"))

    assert seen == files | {str(above) for path in files for above in Path(path).parents if above != Path("/")}


async def test_a_worker_can_write_only_to_the_devices_in_its_root(field: Ground) -> None:
    body = """
        const opened = [];
        for (const path of ["/", ...below("/")]) {
          for (const [name, flags] of [[path, "r+"], [`${path}/new`, "w"]]) {
            try { fs.closeSync(fs.openSync(name, flags)); opened.push(name) } catch {}
          }
          for (const make of [() => fs.mkdirSync(`${path}/new`), () => fs.symlinkSync("/", `${path}/new`)]) {
            try { make(); opened.push(`${path}/new`) } catch {}
          }
        }
        return opened"""

    assert set(await answered(field, ENTRIES + body)) == DEVICES


WAYS_BACK = [
    "/oldroot", "/newroot", "/../etc/passwd", "/proc/self/root", "/proc/self/root/etc/passwd", "/proc/1",
    "/proc/1/root/etc/passwd", "/proc/self/cwd", "/proc/self/ns", "/proc/self/task", "/proc/self/mountinfo",
    "/proc/self/environ", "/proc/self/mem", "/proc/self/fd/../../1", "/proc/thread-self", "/proc/{outer}",
    "/proc/{outer}/root", "/proc/{inner}", "/proc/{inner}/root", "/proc/{host}/environ", "/proc/sys/kernel",
    "/sys/class", "/sys/fs/cgroup", "/dev/shm", "/dev/pts", "/etc/passwd", "/var/run",
]  # fmt: skip


async def test_no_path_leads_out_of_the_root(field: Ground) -> None:
    body = """
        const fs = process.getBuiltinModule("fs");
        const paths = JSON.parse(decodeURIComponent(new URL(req.url).search.slice(1)));
        const code = (attempt) => { try { attempt(); return "open" } catch (error) { return error.code } };
        return paths.map((path) => [code(() => fs.readdirSync(path)), code(() => fs.readFileSync(path))])"""
    worker = await field.worker(f"module.exports.default = async (req) => {{ {body} }}")
    known = {"inner": worker.pid, "outer": outer_of(worker), "host": os.getpid()}
    paths = [path.format(**known) for path in WAYS_BACK]

    tried = msgspec.json.decode(await ask(worker, f"/?{quote(msgspec.json.encode(paths).decode())}"))

    assert dict(zip(paths, tried, strict=True)) == {path: ["ENOENT", "ENOENT"] for path in paths}


async def test_a_worker_has_no_capabilities_and_runs_in_separate_namespaces(field: Ground) -> None:
    worker = await field.worker("module.exports.default = () => [process.pid, process.ppid]")

    assert msgspec.json.decode(await ask(worker)) == [1, 0]

    for pid in (worker.pid, outer_of(worker)):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
    assert Path(f"/proc/{worker.pid}/status").read_text().count("Seccomp:\t2") == 1
    if os.geteuid() == 0:  # Other users may not read these links.
        for name in NAMESPACES:
            assert os.readlink(f"/proc/{worker.pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")


async def test_neither_bubblewrap_nor_the_worker_keeps_extra_descriptors_open(field: Ground) -> None:
    body = """
        const fs = process.getBuiltinModule("fs"), open = {};
        for (const fd of fs.readdirSync("/proc/self/fd")) {
          try { open[fd] = fs.readlinkSync(`/proc/self/fd/${fd}`) } catch {}
        }
        return open"""
    worker = await field.worker(f"module.exports.default = () => {{ {body} }}")

    open_there = msgspec.json.decode(await ask(worker))

    assert {fd for fd, said in open_there.items() if said.startswith("socket:")} == {"3"}
    assert {said.partition(":")[0] for fd, said in open_there.items() if fd != "3"} <= {"/dev/null", "anon_inode"}
    if os.geteuid() == 0:
        outside = [os.readlink(path) for path in Path(f"/proc/{outer_of(worker)}/fd").iterdir()]
        assert not any(said.startswith("socket:") for said in outside)


async def test_a_worker_can_change_neither_its_mounts_nor_the_outer_process(field: Ground, tmp_path: Path) -> None:
    reaching = """
        const outer = Number(new URL(req.url).search.slice(1)), MS_REMOUNT = 32, MS_BIND = 4096;
        const attempts = {
          kill: () => sys(62, outer, 9), "kill the parent": () => sys(62, 0, 9), pidfd: () => sys(434, outer, 0),
          ptrace: () => sys(101, 16, outer, 0, 0), read: () => sys(310, outer, words(0, 8), 1, words(4096, 8), 1, 0),
          remount: () => sys(165, memory("none"), memory("/"), 0, MS_REMOUNT | MS_BIND, 0),
          bind: () => sys(165, memory("/proc"), memory("/usr"), 0, MS_BIND, 0),
          umount: () => sys(166, memory("/usr"), 2),
          attributes: () => sys(442, -100, memory("/"), 0, words(0, 1, 0, 0), 32),
          tree: () => sys(428, -100, memory("/"), 1),
          pivot: () => sys(155, memory("/"), memory("/usr")), chroot: () => sys(161, memory("/usr")),
          unshare: () => sys(272, 0x10000000), "unshare files": () => sys(272, 0x20000), setns: () => sys(308, 3, 0),
          mknod: () => sys(133, memory("/dev/sda"), 0o60666, 0x800),
          uid: () => sys(105, 0), name: () => sys(170, memory("x"), 1),
        };
        const through = [];
        for (const [name, attempt] of Object.entries(attempts)) { try { attempt(); through.push(name) } catch {} }
        return through"""
    with aim(tmp_path) as target:
        code = f"{ATTACKS}\nmodule.exports.default = async (req) => {{ {reaching} }}"
        worker = await field.worker(code, target.env, **LONG)
        outer = outer_of(worker)

        assert await ask(worker, f"/?{outer}") == b"[]"

    assert alive(outer)


# This writes a frame (workers/frames.py) with a log line that belongs to no call.
TELL = """
const text = Buffer.from(JSON.stringify(outcomes)), frame = Buffer.alloc(9 + 2 + text.length);
frame.writeUInt32BE(5 + 2 + text.length); frame[4] = LOG; frame[9] = 1; text.copy(frame, 11);
require("fs").writeSync(3, frame);"""


async def test_a_worker_that_executes_bun_again_stays_confined(field: Ground, tmp_path: Path) -> None:
    anew = f"""{ATTACKS}
        (async () => {{
          const only = {{}};
          for (const [set, names] of Object.entries(CHOSEN)) for (const name of names) {{
            try {{ const gained = await sets[set][name](); only[name] = gained === undefined ? "nothing" : "OPEN" }}
            catch {{ only[name] = "blocked" }}
          }}
          const outcomes = {{ pid: process.pid, only }};
          {TELL.replace("LOG", str(int(Frame.LOG)))}
          process.exit(0);
        }})()"""
    chosen = {
        "files": ["fs.readFileSync", "Bun.file", "Bun.fetch file:", "write over", "read /etc/passwd", "fs.unlinkSync"],
        "others": ["Bun.spawnSync", "process.kill of the host", "net.connect", "net.connect abstract", "dgram.send"],
        "raw": ["openat", "socket udp", "memfd_create", "pidfd_open", "fork", "ptrace", "unshare", "PR_SET_DUMPABLE"],
    }
    anew = anew.replace("CHOSEN", msgspec.json.encode(chosen).decode())
    again = """
        const strings = (...texts) => words(...texts.map((text) => memory(text)), 0);
        const variables = strings(...process.env.knobs.split(" "), `aim=${aim}`);
        sys(72, 3, 2, 0); // F_SETFD: the channel stays open
        sys(59, memory(process.env.bun), strings("bun", "-e", process.env.anew), variables);"""
    # Bun does not start without these variables.
    knobs = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    with aim(tmp_path) as target:
        code = f"{ATTACKS}\nmodule.exports.default = async (req) => {{ {again} }}"
        worker = await field.worker(code, {**target.env, "anew": anew, "knobs": knobs, "bun": str(find_bun())}, **LONG)

        with pytest.raises(FunctionCrashed):
            await ask(worker)

        target.assert_unharmed()
    [outcome] = [msgspec.json.decode(line.text) for line in field.said if line.text.startswith("{")]
    assert outcome == {"pid": 1, "only": {name: "blocked" for names in chosen.values() for name in names}}
    await until(lambda: not alive(worker.pid))


async def test_a_worker_and_its_outer_process_end_together(field: Ground) -> None:
    workers = [await field.worker("module.exports.default = () => { for (;;); }") for _ in range(2)]
    outers = [outer_of(worker) for worker in workers]
    calls = [asyncio.create_task(ask(worker)) for worker in workers]
    await until(lambda: all(worker.calls for worker in workers))

    workers[0].kill("enough")
    os.kill(outers[1], signal.SIGKILL)

    for call in calls:
        with pytest.raises(FunctionCrashed):
            await call
    await until(lambda: not any(alive(pid) for pid in (*outers, *(worker.pid for worker in workers))))


async def test_workers_and_their_outer_processes_end_with_the_zygote(field: Ground) -> None:
    worker = await field.worker("module.exports.default = () => { for (;;); }")
    pids = (worker.pid, outer_of(worker))
    call = asyncio.create_task(ask(worker))
    await until(lambda: bool(worker.calls))

    assert field.starter.zygote.process is not None
    field.starter.zygote.process.kill()

    with pytest.raises(FunctionCrashed):
        await call
    await until(lambda: not any(alive(pid) for pid in pids))


BOMBS = [
    *CRASHES.values(),  # as process 1 of its namespace, Bun gets no signal that it has no handler for
    TIME_BOMBS["a loop"],
    MEMORY_BOMBS["buffers"],
    MEMORY_BOMBS["wasm"],
]


async def test_crashes_and_bombs_are_stopped_inside_bubblewrap_too(field: Ground) -> None:
    workers = [await field.worker(handler(bomb), memory_mb=LIMIT_MB, timeout_ms=3000) for bomb in BOMBS]
    outers = [outer_of(worker) for worker in workers]

    outcomes = await asyncio.gather(*(ask(worker) for worker in workers), return_exceptions=True)

    assert all(isinstance(outcome, Problem) for outcome in outcomes), outcomes
    for worker in workers:
        worker.kill("the attack is over")
        await assert_all_is_well(field, worker.pid)
    await until(lambda: not any(alive(pid) for pid in outers))


async def test_a_limit_that_cannot_be_set_is_reported_over_the_channel(
    field: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    confined = field.starter.sandbox.confinement

    async def too_much(memory_mb: int) -> Confinement | None:
        wanted = await confined(memory_mb)
        return wanted and replace(wanted, memory_mb=1 << 60)

    monkeypatch.setattr(field.starter.sandbox, "confinement", too_much)

    with pytest.raises(FunctionsUnavailable, match="could not be confined"):
        await field.worker("module.exports.default = () => 1")


@pytest.mark.parametrize("instead", ["/bin/false", "/bin/cat", "/nowhere/bwrap"])
async def test_a_wrong_bubblewrap_program_starts_no_worker_and_blames_no_bundle(
    field: Ground, instead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    confined = field.starter.sandbox.confinement

    async def by_another(memory_mb: int) -> Confinement | None:
        wanted = await confined(memory_mb)
        return wanted and replace(wanted, bubblewrap=instead)

    monkeypatch.setattr(field.starter.sandbox, "confinement", by_another)

    with pytest.raises(FunctionsUnavailable):
        await field.worker("module.exports.default = () => 1")

    monkeypatch.undo()
    assert await ask(await field.worker("module.exports.default = () => 'as before'")) == b'"as before"'


def outer_of(worker: Worker) -> int:
    return int(Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[1])
