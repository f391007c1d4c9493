"""`ctx.files`: files that functions store and read, with the rights of the project and of its users."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import EndUser
from bunbase.contracts.functions.problems import FunctionTimeout
from bunbase.contracts.storage import BucketRules, NewBucket, Storage
from bunbase.functions.host_calls import files
from bunbase.functions.service import FunctionsService
from bunbase.pkg.modules import Rooms, Site
from bunbase.storage.module import MODULE as STORAGE
from bunbase.storage.service import StorageService
from bunbase.storage.settings import StorageSettings
from tests.functions.calls import PROJECT, SERVER, call, deploy, log_of, request, until
from tests.functions.neighbours import neighbours
from tests.rooms import behind_a_port, opened, publishable_caller, secret_caller, site
from tests.storage.room import put, read

USER = EndUser("usr_1", "ada@example.com", "user", {}, "ses_1")
OTHER = EndUser("usr_2", "eve@example.com", "user", {}, "ses_2")
LARGE_BYTES = 100 << 20
OWN = BucketRules(
    list="object.owner == auth.uid",
    get="object.owner == auth.uid",
    create='auth != null && next.key.startsWith(auth.uid + "/")',
    update="object.owner == auth.uid",
    delete="object.owner == auth.uid",
)


@pytest.fixture(scope="module")
def shared_rooms() -> Rooms:
    return neighbours()


@pytest_asyncio.fixture(scope="module")
async def shared_storage(shared_rooms: Rooms, shared_site: Site) -> AsyncIterator[StorageService]:
    settings = StorageSettings(min_free_mib=0)
    needed = Rooms({Kms: shared_rooms[Kms], Bundoc: shared_rooms[Bundoc]})
    async with (
        opened(STORAGE, needed, site(shared_site.data_dir), settings=settings) as service,
        behind_a_port(STORAGE, service) as client,  # the stricter case: Storage in another process
    ):
        shared_rooms.add(Storage, client)
        yield service


@pytest_asyncio.fixture
async def storage(shared_storage: StorageService) -> AsyncIterator[StorageService]:
    for caller in (SERVER, secret_caller("prj_two")):
        await shared_storage.create_bucket(caller, NewBucket(name="files"))
    await shared_storage.create_bucket(SERVER, NewBucket(name="own", rules=OWN, max_bytes=1 << 20, mime=("text/*",)))
    yield shared_storage
    for project in (PROJECT, "prj_two"):
        await shared_storage.drop_project(project)


@pytest.fixture
def functions(storage: StorageService, shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


async def answer_of(functions: FunctionsService, body: str, caller: Any = SERVER, **config: Any) -> Any:
    await deploy(functions, "f", body, **config)
    return (await call(functions, "f", request(), caller)).json


async def test_a_function_stores_reads_lists_copies_and_deletes_files(functions: FunctionsService) -> None:
    answer = await answer_of(
        functions,
        """async (req, { files }) => {
            const bucket = files.bucket("files");
            const made = await bucket.put("a/é.txt", "Hi", { contentType: "text/plain", metadata: { n: "1" } });
            const json = new Blob(['{"n": 2}'], { type: "application/json" });
            await bucket.put("b.json", json, { cacheControl: "no-store" });
            await bucket.put("c", new Uint8Array([1, 2, 3, 4]));
            await bucket.put("empty", null);
            const opened = await bucket.get("a/é.txt");
            const middle = await bucket.get("c", { range: { start: 1, end: 3 } });
            const last = await bucket.get("c", { range: { start: -1 } });
            const copy = await bucket.copy("c", "d/copy", { metadata: { of: "c" } });
            const moved = await bucket.move("b.json", "d/moved");
            const page = await bucket.list({ delimiter: "/", limit: 3 });
            const rest = await bucket.list({ delimiter: "/", cursor: page.next });
            await bucket.delete("c");
            const gone = await bucket.deleteMany(["empty", "never"]);
            return {
                made: [made.bucket, made.key, made.size, made.etag, made.content_type, made.metadata, made.owner],
                created: made.created_at,
                opened: [await opened.text(), opened.info.etag === made.etag, opened.start, opened.end],
                parts: [[...(await middle.bytes())], middle.start, middle.end, [...(await last.bytes())]],
                copies: [copy.key, copy.metadata],
                moved: [moved.content_type, moved.cache_control, await (await bucket.get("d/moved")).json()],
                lists: [page.prefixes, page.items.map((one) => one.key), rest.items.map((one) => one.key)],
                gone,
                left: (await bucket.list()).items.map((one) => one.key),
                size: (await bucket.head("d/copy")).size,
            };
        }""",
    )

    digest = hashlib.md5(b"Hi").hexdigest()
    assert answer["made"] == ["files", "a/é.txt", 2, digest, "text/plain", {"n": "1"}, None]
    assert answer["created"].endswith("Z")
    assert answer["opened"] == ["Hi", True, 0, 2]
    assert answer["parts"] == [[2, 3], 1, 3, [4]]
    assert answer["copies"] == ["d/copy", {"of": "c"}]
    assert answer["moved"] == ["application/json;charset=utf-8", "no-store", {"n": 2}]
    assert answer["lists"] == [["a/", "d/"], ["c"], ["empty"]]
    assert answer["gone"] == [{"key": "empty", "deleted": True}, {"key": "never", "deleted": True}]
    assert (answer["left"], answer["size"]) == (["a/é.txt", "d/copy", "d/moved"], 4)


async def test_a_function_passes_a_file_on_that_is_larger_than_its_memory(
    functions: FunctionsService, storage: StorageService
) -> None:
    pattern = bytes(range(256)) * 4096  # 1 MiB
    await put(storage, "large", pattern * (LARGE_BYTES >> 20), SERVER)

    answer = await answer_of(
        functions,
        """async (req, { files }) => {
            const bucket = files.bucket("files");
            const opened = await bucket.get("large");
            const copy = await bucket.put("copy", opened.stream);
            return [copy.size, copy.etag === opened.info.etag];
        }""",
        memory_mb=80,
        timeout_ms=300_000,
        cpu_ms=300_000,
    )

    assert answer == [LARGE_BYTES, True]
    assert functions.host_calls.files.transfers.total() == 0
    assert not [line for line in await log_of(functions, "f") if "memory" in line.text]


async def test_a_function_stores_the_body_of_its_request_and_answers_with_a_file(
    functions: FunctionsService, storage: StorageService
) -> None:
    sent = b"0123456789abcdef" * (1 << 14)  # 256 KiB, so that the body arrives in pieces
    await deploy(
        functions,
        "f",
        """async (req, { files }) => {
            const bucket = files.bucket("files");
            const contentType = req.headers.get("content-type");
            if (req.method === "PUT") return bucket.put("sent", req.body, { contentType });
            const file = await bucket.get("sent");
            return new Response(file.stream, { headers: { "content-type": file.info.content_type } });
        }""",
    )

    stored = await call(functions, "f", request(method="PUT", body=sent, content_type="image/x-test"))
    answer = await call(functions, "f")

    assert (stored.json["size"], stored.json["content_type"]) == (len(sent), "image/x-test")
    assert (answer.body, dict(answer.head.headers)["content-type"]) == (sent, "image/x-test")
    assert await read(storage, "sent", SERVER) == sent


async def test_refusals_of_files_are_errors_with_a_code(functions: FunctionsService) -> None:
    answer = await answer_of(
        functions,
        """async (req, { files }) => {
            const bucket = files.bucket("files"), told = [];
            const { etag } = await bucket.put("a", "one");
            for (const ask of [
                () => bucket.get("nothing"),
                () => bucket.head("nothing"),
                () => bucket.delete("nothing"),
                () => bucket.copy("nothing", "b"),
                () => files.bucket("unknown").get("a"),
                () => bucket.put("", "x"),
                () => bucket.put("a", "x", { ifAbsent: true }),
                () => bucket.put("a", "x", { ifMatch: "0".repeat(32) }),
                () => bucket.put("a", "x", { ifMatch: 'a", "b' }),
                () => bucket.delete("a", { ifMatch: "0".repeat(32) }),
                () => bucket.get("a", { range: { start: 3 } }),
                () => bucket.get("a", { range: { start: 2, end: 2 } }),
                () => bucket.get("a", { range: { start: -2, end: 3 } }),
                () => bucket.list({ limit: 0 }),
                () => bucket.put("a", "x", { metadata: { n: 1 } }),
                () => bucket.sign("a", { maxBytes: 1 }),
                () => bucket.put("a", 7),
                () => bucket.put("a", new ReadableStream({ pull(c) { c.enqueue("text") } })),
                () => files.bucket("own").put("a", "<html>", { contentType: "image/png" }),
                () => files.bucket("own").put("a", "x".repeat(2 ** 20 + 1), { contentType: "text/plain" }),
            ]) try { told.push(["done", await ask()]) } catch (e) { told.push(e.code ?? e.name) }
            await bucket.put("a", "two", { ifMatch: etag });
            return [told, await (await bucket.get("a")).text()];
        }""",
    )

    assert answer == [
        [
            "object_not_found", "object_not_found", "object_not_found", "object_not_found", "bucket_not_found",
            "invalid_object_key", "object_changed", "object_changed", "invalid_input", "object_changed",
            "range_not_satisfiable", "invalid_input", "invalid_input", "invalid_input", "invalid_input",
            "invalid_input", "TypeError", "TypeError", "content_type_refused", "object_too_large",
        ],
        "two",
    ]  # fmt: skip


async def test_rules_of_a_bucket_apply_if_a_function_acts_as_its_caller(functions: FunctionsService) -> None:
    body = """async (req, ctx) => {
        const outcome = (promise) => promise.then((value) => value?.owner ?? "done", (error) => error.code);
        const mine = ctx.as(ctx.caller).files.bucket("own"), nobody = ctx.as(null).files.bucket("own");
        return [
            await outcome(mine.put("usr_1/a", "x", { contentType: "text/plain" })),
            await outcome(mine.put("usr_3/a", "x", { contentType: "text/plain" })),
            await outcome(nobody.put("usr_1/b", "x", { contentType: "text/plain" })),
            await outcome(mine.get("usr_1/a")),
            await outcome(nobody.get("usr_1/a")),
            (await mine.list()).items.length,
            await outcome(mine.sign("usr_1/a")),
            await outcome(mine.copy("usr_1/a", "usr_3/a")),
            (await ctx.files.bucket("own").list()).items.length,
        ];
    }"""

    ada = await answer_of(functions, body, publishable_caller(PROJECT, USER))
    eve = await answer_of(functions, body, publishable_caller(PROJECT, OTHER))

    denied, hidden = "rule_denied", "object_not_found"
    assert ada == ["usr_1", denied, denied, "done", hidden, 1, "forbidden", denied, 1]
    assert eve == [denied, denied, denied, hidden, hidden, 0, "forbidden", hidden, 1]


async def test_a_function_reaches_no_files_of_another_project(
    functions: FunctionsService, storage: StorageService
) -> None:
    await put(storage, "theirs", b"secret", secret_caller("prj_two"))

    body = "(req, { files }) => files.bucket('files').get('theirs').catch((error) => error.code)"

    assert await answer_of(functions, body) == "object_not_found"


async def test_a_signed_link_of_a_function_works_without_a_key(
    functions: FunctionsService, storage: StorageService
) -> None:
    await put(storage, "a b", b"linked", SERVER)

    link = await answer_of(functions, "(req, { files }) => files.bucket('files').sign('a b', { expiresIn: 60 })")

    assert link["path"].startswith(f"/v1/storage/objects/files/a%20b?project={PROJECT}&token=")
    assert (link["method"], link["token"] in link["path"]) == ("GET", True)


async def test_an_upload_ends_without_a_file_if_the_call_ends_first(
    functions: FunctionsService, storage: StorageService
) -> None:
    await deploy(
        functions,
        "f",
        """async (req, { files }) => {
            await files.bucket("files").put("half", new ReadableStream({
                start(c) { c.enqueue(new Uint8Array(100_000)) }  // and then nothing
            }));
        }""",
        timeout_ms=300,
    )

    with pytest.raises(FunctionTimeout):
        await call(functions, "f")

    await until(lambda: not storage.uploads.running)
    await until(lambda: not functions.host_calls.files.transfers)
    with pytest.raises(Exception, match="no object"):
        await read(storage, "half", SERVER)


async def test_an_upload_that_begins_after_the_call_has_ended_is_ended(
    functions: FunctionsService, storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, begun = asyncio.Event(), asyncio.Event()
    begin = storage.uploads.begin

    async def begin_slowly(*asked: Any) -> str:
        upload = await begin(*asked)
        begun.set()
        await answered.wait()
        return upload

    monkeypatch.setattr(storage.uploads, "begin", begin_slowly)
    await deploy(
        functions,
        "f",
        "(req, { files }) => files.bucket('files').put('late', new ReadableStream({}))",
        timeout_ms=500,
    )

    with pytest.raises(FunctionTimeout):
        await call(functions, "f")
    await begun.wait()
    answered.set()

    await until(lambda: not storage.uploads.running)


async def test_a_stream_that_fails_stores_nothing_and_its_error_reaches_the_function(
    functions: FunctionsService, storage: StorageService
) -> None:
    answer = await answer_of(
        functions,
        """async (req, { files }) => {
            let sent = 0;
            const stream = new ReadableStream({
                pull(c) { if (sent++ < 3) c.enqueue(new Uint8Array(70_000)); else throw new Error("the source broke") }
            });
            const outcome = await files.bucket("files").put("half", stream).catch((error) => error.message);
            return [outcome, (await files.bucket("files").list()).items.length];
        }""",
    )

    assert answer == ["the source broke", 0]
    await until(lambda: not storage.uploads.running)


async def test_the_open_files_of_a_project_are_limited_and_a_cancelled_stream_frees_its_place(
    functions: FunctionsService, storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_TRANSFERS_PER_PROJECT", 2)
    await put(storage, "large", bytes(1 << 20), SERVER)

    answer = await answer_of(
        functions,
        """async (req, { files }) => {
            const bucket = files.bucket("files");
            const opened = [await bucket.get("large"), await bucket.get("large")];
            const third = await bucket.get("large").catch((error) => error.code);
            await opened[0].stream.cancel();
            for (;;) try { return [third, (await (await bucket.get("large")).bytes()).length] } catch (error) {
                if (error.code !== "files_overloaded") throw error;  // the host has not seen the cancel yet
            }
        }""",
    )

    assert answer == ["files_overloaded", 1 << 20]
    await until(lambda: not functions.host_calls.files.transfers)


async def test_a_damaged_file_fails_while_it_is_read_and_never_yields_wrong_bytes(
    functions: FunctionsService, storage: StorageService
) -> None:
    await put(storage, "large", bytes(2 << 20), SERVER)
    [blob] = [path for path in (storage.holdings.files.directory / "blobs" / PROJECT).rglob("*") if path.is_file()]
    with blob.open("r+b") as sealed:
        sealed.seek((1 << 20) + 5)
        sealed.write(b"damage")

    answer = await answer_of(
        functions,
        """async (req, { files }) => {
            const { stream } = await files.bucket("files").get("large");
            let read = 0;
            try { for await (const piece of stream) read += piece.length; return "whole" } catch (error) {
                return [error.code, read < 2 ** 20 + 65536];
            }
        }""",
    )

    assert answer == ["object_damaged", True]
