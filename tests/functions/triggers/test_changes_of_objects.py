"""Triggers on the files of a bucket."""

from __future__ import annotations

import gzip
import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bunbase.bundoc.module import MODULE as BUNDOC
from bunbase.cli.bundle import bundle
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.contracts.functions.triggers import RunOutcome
from bunbase.contracts.storage import Copying, KeptPlace, NewBucket, Place, Storage
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store.subscriptions import Feed, Source
from bunbase.functions.triggers import feeds
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.modules import Rooms, Site
from bunbase.storage.module import MODULE as STORAGE
from bunbase.storage.service import StorageService
from bunbase.storage.settings import StorageSettings
from tests.functions.calls import MEMBER, PROJECT, SERVER, call, deploy, log_of, until
from tests.functions.neighbours import neighbours
from tests.functions.triggers.hurrying import hurry
from tests.functions.triggers.runs import SAY, dead_letters, outcomes, runs_of, said
from tests.rooms import opened, secret_caller
from tests.storage.room import put, read

GUIDE = Path(__file__).parents[3] / "docs" / "functions.md"
FEED = Feed(PROJECT, Source.OBJECTS)
FILES: list[dict[str, Any]] = [{"bucket": "files"}]
EVENT = "async (req) => { const e = await req.json(); console.log(JSON.stringify(e.op + ' ' + e.key)) }"


@pytest.fixture(scope="module")
def shared_settings() -> FunctionsSettings:
    return FunctionsSettings(retry_seconds=0.01)


@pytest_asyncio.fixture(scope="module")
async def shared_rooms(shared_site: Site) -> AsyncIterator[Rooms]:
    rooms = neighbours()
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        async with opened(BUNDOC, Rooms({Kms: rooms[Kms]}), shared_site) as bundoc:
            rooms.add(Bundoc, bundoc)
            needed = Rooms({Kms: rooms[Kms], Bundoc: bundoc})
            async with opened(STORAGE, needed, shared_site, settings=StorageSettings(min_free_mib=0)) as storage:
                rooms.add(Storage, storage)
                yield rooms


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


@pytest_asyncio.fixture
async def storage(shared_rooms: Rooms, functions: FunctionsService) -> AsyncIterator[StorageService]:
    storage: Any = shared_rooms[Storage]
    for caller in (SERVER, secret_caller("prj_two")):
        for name in ("files", "other"):
            await storage.create_bucket(caller, NewBucket(name=name))
    yield storage
    for project in (PROJECT, "prj_two"):
        await storage.drop_project(project)


async def deploy_example(functions: FunctionsService, folder: Path, name: str, **config: Any) -> None:
    """Deploy `functions/<name>.ts` from docs/functions.md."""
    [code] = re.findall(rf"```ts\n(// functions/{name}\.ts\n.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    entry = folder / f"{name}.ts"
    entry.write_text(code)
    made = bundle(entry)
    await functions.deploy(MEMBER, name, Bundle(made.code, made.source_map, msgspec.convert(config, FunctionConfig)))


async def moved(storage: StorageService, key: str, to: str, moves: bool = True) -> None:
    await storage.copy_object(SERVER, Copying(KeptPlace("files", key), KeptPlace("files", to)), moves)


async def test_a_function_runs_for_each_change_of_a_file_of_its_project(
    functions: FunctionsService, storage: StorageService
) -> None:
    await put(storage, "before", b"one", SERVER)
    await deploy(functions, "f", SAY, on=FILES)
    await put(storage, "theirs", b"one", secret_caller("prj_two"))

    stored = await put(storage, "a/é.txt", b"one", SERVER)
    [created] = await said(functions, "f", 1)
    await put(storage, "a/é.txt", b"three", SERVER)
    await said(functions, "f", 2)
    await storage.delete_object(SERVER, Place("files", "a/é.txt"))
    _, updated, deleted = await said(functions, "f", 3)

    at = created["body"].pop("at")
    assert at.endswith("Z")
    assert created["body"] == {
        "op": "create", "bucket": "files", "key": "a/é.txt", "etag": stored.object.etag, "size": 3,
        "content_type": "application/octet-stream", "owner": None,
    }  # fmt: skip
    assert created["trigger"]["kind"] == "change"
    assert (updated["body"]["op"], updated["body"]["size"]) == ("update", 5)
    assert (deleted["body"]["op"], deleted["body"]["size"]) == ("delete", 5)
    await until(lambda: not functions.runner.tasks)
    assert outcomes(await runs_of(functions, "f", 3)) == [RunOutcome.OK] * 3


async def test_copies_moves_and_deletions_of_many_files_are_changes_too(
    functions: FunctionsService, storage: StorageService
) -> None:
    await deploy(functions, "f", EVENT, on=FILES)
    for key in ("a", "b"):
        await put(storage, key, b"one", SERVER)

    await moved(storage, "a", "copy", moves=False)
    await moved(storage, "a", "new")
    await moved(storage, "new", "b")
    await storage.delete_objects(SERVER, "files", ("b", "copy", "never"))

    assert sorted(await said(functions, "f", 9)) == sorted([
        "create a", "create b", "create copy", "delete a", "create new", "update b", "delete new", "delete b",
        "delete copy",
    ])  # fmt: skip


async def test_only_the_named_bucket_prefix_and_operations_count(
    functions: FunctionsService, storage: StorageService
) -> None:
    await deploy(functions, "images", EVENT, on=[{"bucket": "files", "prefix": "images/", "ops": ["create"]}])
    await deploy(functions, "all", EVENT, on=[*FILES, {"bucket": "other", "ops": ["delete"]}])

    await put(storage, "images/x", b"", SERVER, "other")
    await put(storage, "image", b"", SERVER)
    await put(storage, "images/a", b"", SERVER)
    await put(storage, "images/a", b"", SERVER)
    await put(storage, "images/b", b"", SERVER)
    await storage.delete_object(SERVER, Place("other", "images/x"))

    assert await said(functions, "images", 2) == ["create images/a", "create images/b"]
    assert sorted(await said(functions, "all", 5)) == [
        "create image", "create images/a", "create images/b", "delete images/x", "update images/a",
    ]  # fmt: skip


async def test_the_changes_of_one_file_run_in_order_and_do_not_delay_other_files(
    functions: FunctionsService, storage: StorageService
) -> None:
    await deploy(
        functions,
        "f",
        """async (req, ctx) => {
            const { key, size } = await req.json();
            while (key === "stuck" && !globalThis.free) await Bun.sleep(5);
            if (key === "key") globalThis.free = true;
            console.log(JSON.stringify(key + size));
        }""",
        on=FILES,
        timeout_ms=300_000,
    )
    for size in range(3):
        await put(storage, "stuck", bytes(size), SERVER)
        await put(storage, "other", bytes(size), SERVER)
    assert await said(functions, "f", 3) == ["other0", "other1", "other2"]
    await put(storage, "key", b"", SERVER)

    assert (await said(functions, "f", 7))[-3:] == ["stuck0", "stuck1", "stuck2"]


async def test_a_change_that_never_succeeds_becomes_a_dead_letter_that_can_be_replayed(
    functions: FunctionsService, storage: StorageService
) -> None:
    await deploy(functions, "f", "() => { throw new Error('no') }", on=FILES)
    await put(storage, "a", b"one", SERVER)

    [dead] = await dead_letters(functions, 1)
    payload = (await functions.job(MEMBER, dead.id)).payload
    await deploy(functions, "f", EVENT, on=FILES)
    await functions.replay_job(MEMBER, dead.id)

    assert (dead.attempt, dead.error, payload["bucket"], payload["key"]) == (5, "function_error", "files", "a")
    assert await said(functions, "f", 1) == ["create a"]


async def test_a_function_may_follow_documents_and_files_in_batches(
    functions: FunctionsService, storage: StorageService, shared_rooms: Rooms
) -> None:
    await deploy(
        functions,
        "f",
        """async (req) => {
            for (const { bucket, key, collection, id } of (await req.json()).events)
                console.log(JSON.stringify([bucket ?? collection, key ?? id]));
        }""",
        on=[*FILES, {"collection": "posts"}],
        max_batch=50,
    )

    for number in range(3):
        await put(storage, f"k{number}", b"", SERVER)
        await shared_rooms[Bundoc].put(SERVER, "posts", f"d{number}", b"{}", NO_PRECONDITION)

    wanted = [*(["files", f"k{number}"] for number in range(3)), *(["posts", f"d{number}"] for number in range(3))]
    assert sorted(await said(functions, "f", 6)) == wanted
    assert await functions.stores.subscriptions.db.value("SELECT count(*) FROM subscriptions") == 2


async def test_a_function_that_writes_what_triggers_it_is_stopped(
    functions: FunctionsService, storage: StorageService
) -> None:
    await deploy(
        functions,
        "f",
        "async (req, { files }) => { await files.bucket('files').put((await req.json()).key + '+', '') }",
        on=FILES,
    )

    await put(storage, "a", b"", SERVER)

    [dead] = await dead_letters(functions, 1)
    assert (dead.error, (await functions.job(MEMBER, dead.id)).payload["key"]) == ("chain_too_long", "a" + "+" * 9)
    assert any("object files/a+++++++++" in line.text for line in await log_of(functions, "f"))


async def test_no_change_is_lost_while_storage_cannot_be_reached(
    functions: FunctionsService, storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: Any) -> Any:
        raise Unreachable("This room is being restarted.")

    await deploy(functions, "f", EVENT, on=FILES)
    monkeypatch.setattr(feeds, "BATCH", 5)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "changes", unreachable)
        for number in range(12):  # more than one page of changes
            await put(storage, f"k{number}", b"", SERVER)

    assert sorted(await said(functions, "f", 12)) == sorted(f"create k{number}" for number in range(12))
    assert len(await runs_of(functions, "f", 12)) == 12


async def test_missed_changes_are_recorded_as_a_resync_and_the_trigger_goes_on(
    functions: FunctionsService, storage: StorageService
) -> None:
    await deploy(functions, "f", EVENT, on=FILES)
    await put(storage, "a", b"", SERVER)
    await said(functions, "f", 1)
    ahead = 1 << 60
    await functions.stores.subscriptions.db.execute(f"UPDATE subscriptions SET cursor = {ahead}")

    await functions.feeds.turn(FEED, 0)
    _, resync = await runs_of(functions, "f", 2)
    await put(storage, "b", b"", SERVER)

    assert resync.outcome is RunOutcome.RESYNC
    assert await said(functions, "f", 2) == ["create a", "create b"]


async def test_a_new_version_continues_where_the_old_one_was_and_a_removed_trigger_ends(
    functions: FunctionsService, storage: StorageService
) -> None:
    await deploy(functions, "f", EVENT, on=FILES)
    await put(storage, "a", b"", SERVER)
    await said(functions, "f", 1)
    await deploy(functions, "f", EVENT, on=[{"bucket": "files", "ops": ["delete"]}])
    await put(storage, "b", b"", SERVER)
    await storage.delete_object(SERVER, Place("files", "a"))
    assert await said(functions, "f", 2) == ["create a", "delete a"]

    await deploy(functions, "f", EVENT)

    assert await functions.stores.subscriptions.db.value("SELECT count(*) FROM subscriptions") == 0
    await functions.feeds.keep()
    assert functions.feeds.followed == {}


async def test_the_examples_of_the_guide_work(
    functions: FunctionsService, storage: StorageService, shared_rooms: Rooms, tmp_path: Path
) -> None:
    [trigger] = re.findall(r"\[functions\.catalogue\]\n(on = .*)", GUIDE.read_text("utf-8"))
    await storage.create_bucket(SERVER, NewBucket(name="photos"))
    await storage.create_bucket(SERVER, NewBucket(name="reports"))
    await deploy_example(functions, tmp_path, "pack")
    await deploy_example(functions, tmp_path, "catalogue", on=tomllib.loads(trigger)["on"])
    bundoc: Bundoc = shared_rooms[Bundoc]
    for bucket, key, content in (
        ("reports", "2026.csv", b"day,sold\n" * 30_000), ("photos", "originals/rye.jpg", b"rye"),
        ("photos", "originals/oat.jpg", b"oat"), ("photos", "small/rye.jpg", b"r"),
    ):  # fmt: skip
        await put(storage, key, content, SERVER, bucket)
    await storage.delete_object(SERVER, Place("photos", "originals/oat.jpg"))

    packed = (await call(functions, "pack")).json
    await runs_of(functions, "catalogue", 3)

    content = await read(storage, "2026.csv.gz", SERVER, "reports")
    assert gzip.decompress(content) == b"day,sold\n" * 30_000
    assert (packed["from"], packed["to"]) == (270_000, len(content))
    assert packed["link"].startswith("/v1/storage/objects/reports/2026.csv.gz?project=")
    found = msgspec.json.decode((await bundoc.list(SERVER, "photos", 10, None)).body)["items"]
    assert [(one["key"], one["size"]) for one in found] == [("originals/rye.jpg", 3)]


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        ({}, "a `collection` or a `bucket`"),
        ({"bucket": "files", "collection": "posts"}, "not both"),
        ({"bucket": "files", "where": {"size": 1}}, "use `prefix`"),
        ({"collection": "posts", "prefix": "a"}, "use `where`"),
        ({"bucket": "No Bucket"}, "regex"),
        ({"bucket": "files", "prefix": ""}, "length"),
        ({"bucket": "files", "ops": []}, "length"),
        ({"bucket": "files", "suffix": "x"}, "unknown field"),
    ],
)
def test_a_trigger_names_either_a_collection_or_a_bucket(trigger: dict[str, Any], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert({"on": [trigger]}, FunctionConfig)


def test_a_trigger_on_documents_is_stored_as_in_older_versions() -> None:
    config = msgspec.convert({"on": [{"collection": "posts"}]}, FunctionConfig)

    assert msgspec.to_builtins(config)["on"] == (
        {"collection": "posts", "ops": ("create", "update", "delete"), "where": None},
    )
