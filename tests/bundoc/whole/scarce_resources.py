"""A process that runs an engine on a full disk or without descriptors, and prints the results as one JSON line.

python -m tests.bundoc.whole.scarce_resources disk <directory on a small disk>
python -m tests.bundoc.whole.scarce_resources files <directory>
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path
from typing import Any

import msgspec

from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.writes import Create
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.pkg.errors import Problem
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms

P, C = "prj_a", "posts"
SPEC = CollectionSpec((IndexSpec(("text",), "by_text"),))
BALLAST_BYTES = 4 << 20


async def code_of(work: Any) -> str:
    try:
        await work
    except Problem as problem:
        return problem.code
    return "ok"


def body_of(id: str) -> bytes:
    return f'{{"text":"{id * 60}"}}'.encode()


async def filled(engine: SqliteEngine, round: str) -> tuple[list[str], str]:
    """Write until a write is refused. Return the acknowledged writes and the refusal."""
    acknowledged: list[str] = []
    for batch in range(1000):
        ids = [f"{round}{batch}x{number}" for number in range(50)]
        codes = await asyncio.gather(*(code_of(engine.write(P, C, Create(id, body_of(id)))) for id in ids))
        acknowledged += [id for id, code in zip(ids, codes, strict=True) if code == "ok"]
        if bad := set(codes) - {"ok"}:
            return acknowledged, " ".join(sorted(bad))
    return acknowledged, "never"


async def missing(engine: SqliteEngine, ids: list[str]) -> int:
    found = [await engine.get(P, C, id) for id in ids]
    return sum(stored is None or stored.body != body_of(id) for id, stored in zip(ids, found, strict=True))


async def without_room(directory: Path) -> dict[str, Any]:
    kms, ballast = FakeKms(b"k" * 32), directory / "ballast"
    ballast.write_bytes(bytes(BALLAST_BYTES))
    said: dict[str, Any] = {}
    async with sqlite_engine(directory / "bundoc", kms) as engine:
        acknowledged, said["refused"] = await filled(engine, "a")
        said["missing"] = await missing(engine, acknowledged)
        said["again"] = await code_of(engine.write(P, C, Create("again", b'{"text":"%b"}' % (b"x" * 1_000_000))))
        said["index"] = await code_of(engine.alter(P, C, SPEC))
        said["new project"] = await code_of(engine.write("prj_b", C, Create("d1", body_of("d1"))))
        await code_of(engine.rotate_data_key(P))
        async with asyncio.timeout(30):
            while (state := await engine.data_key(P)).rotating:
                await asyncio.sleep(0.01)
        said["rotation"] = state.failed
    async with sqlite_engine(directory / "bundoc", kms) as engine:
        said["opened without room"] = await code_of(engine.get(P, C, "none"))
        ballast.unlink()
        said["missing after opening"] = await missing(engine, acknowledged)
        said["write with room"] = await code_of(engine.write(P, C, Create("after", body_of("after"))))
        said["new project with room"] = await code_of(engine.write("prj_b", C, Create("d1", body_of("d1"))))
        said["index with room"] = await code_of(engine.alter(P, C, SPEC))
        said["acknowledged"] = len(acknowledged)
        changes = [one.seq for one in (await engine.changes(P, 0, 500)).items]
        said["gaps"] = changes != list(range(1, len(changes) + 1))
        file = engine.files.ready(P)
        assert file is not None
        said["integrity"] = file.reader.execute("PRAGMA integrity_check").get
        said["documents"] = file.reader.execute("SELECT count(*) FROM docs_1").get
    return said


async def without_descriptors(directory: Path) -> dict[str, Any]:
    said: dict[str, Any] = {}
    projects = [f"prj_{number}" for number in range(40)]
    async with sqlite_engine(directory / "bundoc", FakeKms(b"k" * 32), BundocSettings(max_open_projects=100)) as engine:
        for project in projects:
            await engine.write(project, C, Create("d1", body_of("d1")))
    async with sqlite_engine(directory / "bundoc", FakeKms(b"k" * 32), BundocSettings(max_open_projects=100)) as engine:
        await engine.get(projects[0], C, "d1")
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, 4096))
        codes = [await code_of(engine.get(project, C, "d1")) for project in projects]
        codes += [await code_of(engine.write(project, C, Create("d2", body_of("d2")))) for project in projects]
        codes.append(await code_of(engine.write("prj_new", C, Create("d2", body_of("d2")))))
        said["codes"] = sorted(set(codes))
        said["open"] = await code_of(engine.get(projects[0], C, "d1"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
        later = [await code_of(engine.get(project, C, "d1")) for project in projects]
        later += [await code_of(engine.write(project, C, Create("d3", body_of("d3")))) for project in projects]
        said["later"] = sorted(set(later))
    return said


if __name__ == "__main__":
    work = {"disk": without_room, "files": without_descriptors}[sys.argv[1]]
    told = asyncio.run(work(Path(sys.argv[2])))
    sys.stdout.write("\n" + msgspec.json.encode(told).decode() + "\n")
