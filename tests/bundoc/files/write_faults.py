"""Write a file of format 6 with values that later versions refuse or read differently, for `test_mending.py`.

Run it with a checkout of that format: PYTHONPATH=<checkout>/src:<checkout> python write_faults.py <new directory>
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.files.write import PROJECT, SECRET
from tests.fakes import FakeKms
from tests.rooms import secret_caller

KEYS = (IndexSpec(("x",)), IndexSpec(("owner",)), IndexSpec(("owner",), "words", type="text"))

# These names have control characters. SQLite's JSON functions cut such names off at U+0000.
NAMES = {
    "cut": rb'{"x\u0000y":1}',
    "apart": rb'{"x\u0000":1,"x":2}',
    "owner": rb'{"owner\u0000":"ann","owner":"bob"}',
    "taken": '{"x\\u0000":1,"x\u2400":2,"x":3}'.encode(),
    "deep": rb'{"list":[{"b\n":1,"b":"\u0000"}],"del\u007f":{"a\u0001":[[{"c\t":1}]]}}',
    "plain": rb'{"x":"a\u0000b\n","owner":"cy"}',
}
# These arrays are in a unique index. The format had no index keys for objects and arrays inside them.
ARRAYS = {"empty": b"[]", "null": b"null", "one": b'[1,{"x":1}]', "two": b'[2,{"x":1}]', "three": b"[[3],3]"}
# These texts were read as times, or were not.
TIMES = {
    "no_offset": b'"2020-01-01T00:00:00"',
    "no_colon": b'"2020-01-01T00:00:00+0100"',
    "leap": b'"2016-12-31T23:59:60Z"',
    "past": b'"2020-01-01T00:00:00Z"',
    "future": b'"2999-01-01T00:00:00Z"',
}


async def main(target: Path) -> None:
    caller = secret_caller(PROJECT)
    with tempfile.TemporaryDirectory() as directory:
        async with sqlite_engine(Path(directory) / "bundoc", FakeKms(SECRET)) as engine:
            service = BundocService(engine)
            await service.put_collection(caller, "names", CollectionSpec(KEYS))
            await service.put_collection(caller, "arrays", CollectionSpec((IndexSpec(("k",), unique=True),)))
            await service.put_collection(caller, "times", CollectionSpec(expires="e"))
            for id, body in NAMES.items():
                await service.put(caller, "names", id, body, NO_PRECONDITION)
            for id, value in ARRAYS.items():
                await service.put(caller, "arrays", id, b'{"k":%b}' % value, NO_PRECONDITION)
            for id, value in TIMES.items():
                await service.put(caller, "times", id, b'{"e":%b}' % value, NO_PRECONDITION)
            for id in ("back", "gone"):
                for number in range(3):
                    await service.put(caller, "revs", id, b'{"v":%d}' % number, NO_PRECONDITION)
                await service.delete(caller, "revs", id, NO_PRECONDITION)
            await service.put(caller, "revs", "back", b'{"v":9}', NO_PRECONDITION)
        target.mkdir(parents=True)
        for name in ("data.db", "key.json"):
            shutil.copy(Path(directory) / "bundoc" / PROJECT / name, target / name)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
