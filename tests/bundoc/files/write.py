"""Write the files of a project in the format of the imported Bundoc, for `test_formats.py` of later versions.

Run it with a checkout of the version whose format is to be tested:
PYTHONPATH=<checkout>/src:<checkout> python write.py <new directory>
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms
from tests.rooms import secret_caller

SECRET = b"a secret for test files only...."
PROJECT = "prj_old"
BODIES = (
    b'{"title":"Hello","n":1.50,"big":9223372036854775807,"tags":["a","b"]}',
    '{"title":"Grüße 🌍","nested":{"deep":[1,{"x":null}]},"decimal":0.1000}'.encode(),
    b'{"empty":{},"list":[],"text":"%b"}' % (b"long " * 100),
)


async def main(target: Path) -> None:
    caller = secret_caller(PROJECT)
    with tempfile.TemporaryDirectory() as directory:
        async with sqlite_engine(Path(directory) / "bundoc", FakeKms(SECRET)) as engine:
            service = BundocService(engine)
            for collection in ("posts", "users"):
                if hasattr(service, "put_collection") and collection == "users":
                    await with_indexes(service, caller)
                for number in range(6):
                    body = BODIES[number % len(BODIES)]
                    await service.put(caller, collection, f"d{number}", body, NO_PRECONDITION)
                await service.patch(caller, collection, "d1", b'{"more":true}', NO_PRECONDITION)
                await service.delete(caller, collection, "d5", NO_PRECONDITION)
            documents = {
                collection: [(await service.get(caller, collection, f"d{n}")).body.decode() for n in range(5)]
                for collection in ("posts", "users")
            }
            last = (await service.changes(caller, 0, 100, 0.0)).next if hasattr(service, "changes") else None
        target.mkdir(parents=True)
        for name in ("data.db", "key.json"):
            shutil.copy(Path(directory) / "bundoc" / PROJECT / name, target / name)
    text = msgspec.json.format(msgspec.json.encode({"documents": documents, "last_change": last}))
    (target / "expected.json").write_bytes(text + b"\n")


async def with_indexes(service: Any, caller: Any) -> None:
    # The first versions had all contracts in one file, and no CollectionSpec.
    package = "bunbase.contracts.bundoc"
    apart = find_spec("bunbase.contracts.collections") or _collections_of(package)
    contract: Any = import_module(apart.name if apart else package)
    indexes = (contract.IndexSpec(("title", "-n"), "by_title"),)
    asked = contract.CollectionSpec(indexes) if hasattr(contract, "CollectionSpec") else indexes
    await service.put_collection(caller, "users", asked)


def _collections_of(package: str) -> ModuleSpec | None:
    found = find_spec(package)
    return find_spec(f"{package}.collections") if found and found.submodule_search_locations else None


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
