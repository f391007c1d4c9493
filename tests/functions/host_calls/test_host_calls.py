"""Host calls of functions (to documents and users), work after the answer, and forged frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import msgspec
import pytest
import pytest_asyncio

from bunbase.bundoc.module import MODULE as BUNDOC
from bunbase.contracts.bundoc.problems import DocumentNotFound
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import EndUser
from bunbase.contracts.functions.problems import FunctionCrashed, FunctionError
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.modules import Rooms, Site
from bunbase.tenant_auth.module import MODULE as TENANT_AUTH
from tests.functions.calls import PROJECT, SERVER, call, deploy, invoke, log_of, request, until
from tests.functions.neighbours import neighbours
from tests.rooms import opened, publishable_caller, secret_caller

USER = EndUser("usr_1", "ada@example.com", "user", {}, "ses_1")
SEND = """const send = (type, id, text, rest = new Uint8Array()) => {
    const payload = Buffer.concat([Buffer.from(text), rest]);
    const head = Buffer.alloc(9);
    head.writeUInt32BE(5 + payload.length); head[4] = type; head.writeUInt32BE(id, 5);
    require("fs").writeSync(3, Buffer.concat([head, payload]));
};
const ask = (id, meta, rest) => {
    const text = Buffer.from(JSON.stringify(meta));
    const length = Buffer.alloc(4); length.writeUInt32BE(text.length);
    send(27, id, Buffer.concat([length, text]), rest);
};"""

PUT = 'ask(1, { call: 1, method: "data.put", args: { collection: "posts", id: "x" }, more: true })'


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(max_workers_per_function=1)


@pytest_asyncio.fixture
async def rooms(here: Site) -> AsyncIterator[Rooms]:
    """Yield rooms with real documents and users."""
    rooms = neighbours()
    only_keys = Rooms({Kms: rooms[Kms]})
    async with AsyncExitStack() as stack:
        rooms.add(Bundoc, await stack.enter_async_context(opened(BUNDOC, only_keys, here)))
        rooms.add(TenantAuth, await stack.enter_async_context(opened(TENANT_AUTH, only_keys, here)))
        yield rooms


async def test_a_function_writes_documents_with_the_rights_of_its_project(
    functions: FunctionsService, rooms: Rooms
) -> None:
    await deploy(
        functions,
        "f",
        """async (req, { data }) => {
            const made = await data.create("posts", { _id: "a", n: 1 });
            await data.put("posts", "b", { n: 2 }, { ifAbsent: true });
            const patched = await data.patch("posts", "a", { $inc: { n: 5 } }, { ifRev: made._rev });
            const { seq } = await data.commit([{ op: "create", collection: "posts", id: "c", data: { n: 9 } }]);
            const page = await data.list("posts", { limit: 2 });
            const more = await data.query("posts", { where: { n: { $gt: 5 } }, sort: ["-n"], count: true });
            const sums = await data.aggregate("posts", { values: { total: { $sum: "n" } } });
            await data.delete("posts", "b");
            return [patched.n, seq, page.items.length, typeof page.next, more.items.map(d => d._id), more.count,
                sums.items[0].total, (await data.get("posts", "c"))._rev];
        }""",
    )

    answer = await call(functions, "f", caller=publishable_caller(PROJECT))

    assert answer.json == [6, 4, 2, "string", ["c", "a"], 2, 17, 1]
    assert msgspec.json.decode((await rooms[Bundoc].get(SERVER, "posts", "a")).body)["n"] == 6


async def test_a_refused_host_call_throws_an_error_with_code_and_reason(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """async (req, { data }) => {
            const told = [];
            for (const ask of [
                () => data.get("posts", "nothing"),
                () => data.query("posts", { were: {} }),
                () => data.create("no/name", {}),
            ]) try { await ask() } catch (e) {
                told.push([e instanceof Error, e.name, e.code, e.status, e.detail.length > 9]);
            }
            return told;
        }""",
    )

    answer = await call(functions, "f")

    assert answer.json == [
        [True, "Problem", "document_not_found", 404, True],
        [True, "Problem", "invalid_input", 422, True],
        [True, "Problem", "invalid_input", 422, True],
    ]


async def test_rules_apply_if_a_function_acts_as_its_caller(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """async (req, ctx) => {
            await ctx.data.put("secrets", "one", { n: 1 });
            const outcome = promise => promise.then(() => "done", error => error.code ?? error.name);
            return [
                await outcome(ctx.as(ctx.caller).data.create("secrets", {})),
                await outcome(ctx.as(null).data.create("secrets", {})),
                await outcome((async () => ctx.as({ ...ctx.caller, role: "admin" }))()),
            ];
        }""",
    )

    answer = await call(functions, "f", caller=publishable_caller(PROJECT, USER))

    assert answer.json == ["rule_denied", "rule_denied", "TypeError"]


async def test_a_function_sees_no_documents_of_another_project(functions: FunctionsService, rooms: Rooms) -> None:
    await rooms[Bundoc].create(secret_caller("prj_two"), "posts", b'{"_id":"theirs"}')
    await deploy(functions, "f", "(req, { data }) => data.get('posts', 'theirs').catch(error => error.code)")

    assert (await call(functions, "f")).json == "document_not_found"


async def test_a_function_can_read_which_user_called_it(functions: FunctionsService, rooms: Rooms) -> None:
    signed_in = await rooms[TenantAuth].signup(publishable_caller(PROJECT), "ada@example.com", "a long password", {})
    assert signed_in is not None
    await deploy(
        functions,
        "f",
        """async (req, { auth, caller }) => {
            if (caller === null) return auth.me().catch(error => error.code);
            await auth.updateMe({ theme: "dark" });
            return auth.me();
        }""",
    )
    user = EndUser(signed_in.user.id, "ada@example.com", "user", {}, "ses_1")

    me = (await call(functions, "f", caller=publishable_caller(PROJECT, user))).json
    nobody = await call(functions, "f", caller=publishable_caller(PROJECT))

    assert (me["id"], me["email"], me["data"]) == (signed_in.user.id, "ada@example.com", {"theme": "dark"})
    assert nobody.json == "unauthenticated"


async def test_a_function_manages_the_users_of_its_project(functions: FunctionsService, rooms: Rooms) -> None:
    await deploy(
        functions,
        "f",
        """async (req, { auth }) => {
            const { users } = auth;
            const eve = await users.create({ email: "eve@example.com", password: "a long password", data: { n: 1 } });
            const ada = await users.create({ email: "ada@example.com", role: "admin" });
            const changed = await users.update(eve.id, { role: "editor", claims: { team: 1 } });
            const page = await users.list({ limit: 1 });
            const editors = await users.list({ role: "editor" });
            const token = await auth.customToken(eve.id, { tv: true });
            const invited = await users.invite({ email: "fred@example.com", role: "guest", target: "Room" });
            const renewed = await users.renewTokens(eve.id);
            const gone = [await users.delete(ada.id), await users.signOut(eve.id)];
            return {
                eve, changed, token, gone, invited, renewed,
                same: [await users.get(eve.id), await users.getByEmail("EVE@example.com")],
                page: [page.items.map(user => user.email), typeof page.next],
                editors: editors.items.map(user => user.email),
            };
        }""",
    )

    told = (await call(functions, "f")).json

    eve = told["eve"]
    assert (eve["email"], eve["role"], eve["data"], eve["banned"]) == ("eve@example.com", "user", {"n": 1}, False)
    assert told["changed"] == eve | {"role": "editor", "claims": {"team": 1}}
    assert told["same"] == [told["changed"]] * 2
    assert told["renewed"] == told["changed"]
    assert (told["invited"]["email"], told["invited"]["role"]) == ("fred@example.com", "guest")
    open = (await rooms[TenantAuth].user_invites(SERVER, 10, None)).items
    assert [one.id for one in open] == [told["invited"]["id"]]
    assert (told["page"], told["editors"]) == ([["ada@example.com"], "string"], ["eve@example.com"])
    assert told["gone"] == [None, None]
    signed_in = await rooms[TenantAuth].login_with_custom_token(publishable_caller(PROJECT), told["token"])
    assert signed_in.user.id == eve["id"]


async def test_a_refused_change_of_a_user_throws_an_error_with_its_code(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """async (req, { auth: { users, customToken } }) => {
            const refused = ({ code, status, detail }) => [code, status, !!detail];
            const outcome = (promise) => promise.then(() => "done", refused);
            const eve = await users.create({ email: "eve@example.com" });
            return [
                await outcome(users.get("usr_nobody")),
                await outcome(users.getByEmail("nobody@example.com")),
                await outcome(customToken("usr_nobody")),
                await outcome(users.create({ email: "eve@example.com" })),
                await outcome(users.create({})),
                await outcome(users.update(eve.id, { id: "usr_other" })),
                await outcome(users.update(eve.id, { claims: { sub: "usr_other" } })),
                await outcome(users.invite({ email: "x@example.com", target: "x".repeat(101) })),
                await outcome(users.list({ limit: 501 })),
                await outcome(users.list({ limit: 1, cursor: "forged" })),
                await outcome(users.update(eve.id, { data: { text: "x".repeat(100_000) } })),
            ];
        }""",
    )

    told = (await call(functions, "f")).json

    assert [(code, status) for code, status, _ in told] == [
        *[("user_not_found", 404)] * 3,
        ("email_taken", 409),
        *[("invalid_input", 422)] * 5,
        ("invalid_cursor", 400),
        ("payload_too_large", 413),
    ]
    assert all(detail for _, _, detail in told)


async def test_a_function_sees_and_changes_no_user_of_another_project(
    functions: FunctionsService, rooms: Rooms
) -> None:
    there = secret_caller("prj_two")
    theirs = await rooms[TenantAuth].create_user(there, NewUser("theirs@example.com"))
    await deploy(
        functions,
        "f",
        """async (req, { auth: { users, customToken } }) => {
            const outcome = (promise) => promise.then((value) => value ?? "done", (error) => error.code);
            const id = await req.text();
            return [
                await outcome(users.get(id)),
                await outcome(users.getByEmail("theirs@example.com")),
                await outcome(users.update(id, { role: "admin" })),
                await outcome(users.signOut(id)),
                await outcome(users.delete(id)),
                await outcome(customToken(id)),
                (await users.list()).items,
                (await users.list({ project: "prj_two" }).catch((error) => error.code)),
            ];
        }""",
    )

    told = (await call(functions, "f", request("/", "POST", theirs.id.encode()))).json

    assert told == [*["user_not_found"] * 6, [], "invalid_input"]
    assert await rooms[TenantAuth].user(there, theirs.id) == theirs


async def test_large_documents_are_read_and_written(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """async (req, { data }) => {
            await data.put("posts", "large", { text: "x".repeat(900_000) });
            return (await data.get("posts", "large")).text.length;
        }""",
    )

    assert (await call(functions, "f")).json == 900_000


async def test_work_in_wait_until_goes_on_after_the_answer(functions: FunctionsService, rooms: Rooms) -> None:
    await deploy(
        functions,
        "f",
        """(req, ctx) => {
            ctx.waitUntil((async () => {
                await Bun.sleep(100);
                await ctx.data.put("posts", "late", {});
                ctx.waitUntil(Promise.reject(new Error("too bad")));
            })());
            return 1;
        }""",
        concurrency=1,
    )

    assert (await call(functions, "f")).json == 1

    [worker] = functions.starter.alive
    assert worker.calls
    assert not worker.has_room
    await until(lambda: worker.idle)
    assert (await rooms[Bundoc].get(SERVER, "posts", "late")).rev == 1
    [line] = await log_of(functions, "f")
    assert line.text.startswith("In waitUntil: Error: too bad")


async def test_work_in_wait_until_goes_on_after_an_error_too(functions: FunctionsService, rooms: Rooms) -> None:
    await deploy(
        functions,
        "f",
        """(req, ctx) => {
            ctx.waitUntil(Bun.sleep(50).then(() => ctx.data.put("posts", "late", {})));
            throw new Error("no");
        }""",
    )

    with pytest.raises(FunctionError):
        await call(functions, "f")

    [worker] = functions.starter.alive
    await until(lambda: worker.idle)
    assert (await rooms[Bundoc].get(SERVER, "posts", "late")).rev == 1


async def test_work_in_wait_until_ends_with_the_calls_timeout(functions: FunctionsService) -> None:
    await deploy(functions, "f", "(req, ctx) => { ctx.waitUntil(new Promise(() => {})); return 1 }", timeout_ms=300)

    assert (await call(functions, "f")).json == 1

    [worker] = functions.starter.alive
    await until(lambda: worker.dead == "retired")
    assert [line.text for line in await log_of(functions, "f")] == ["The call did not end within 300 ms."]


async def test_a_host_call_after_the_end_of_its_call_is_refused(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """(req, ctx) => {
            if (req.url.endsWith("/read")) return globalThis.late;
            globalThis.late = Bun.sleep(50).then(() => ctx.data.put("posts", "late", {})).catch(error => error.code);
        }""",
    )

    await call(functions, "f")

    assert (await call(functions, "f", request("/read"))).json == "call_over"


async def test_a_forged_call_number_is_refused_and_affects_no_other_call(
    functions: FunctionsService, rooms: Rooms
) -> None:
    functions.starter.guard = False
    await deploy(
        functions,
        "f",
        f"(() => {{ {SEND} return "
        + """async () => {
            const args = { as: "project", collection: "posts", id: "forged", project: "prj_two", user: "usr_admin" };
            for (const call of [0, 7, 4294967295]) ask(9, { call, method: "data.put", args }, Buffer.from("{}"));
            await Bun.sleep(100);
            return 1;
        } })()""",
    )

    assert (await call(functions, "f")).json == 1

    with pytest.raises(DocumentNotFound):
        await rooms[Bundoc].get(SERVER, "posts", "forged")


@pytest.mark.parametrize(
    "forged",
    [
        'send(27, 1, "no length")',
        "ask(1, { call: 1 })",
        'ask(1, { call: "1", method: "fetch" })',
        f"{PUT}; {PUT}",
        f'{PUT}; send(31, 1, "0000")',
        'for (let id = 1; id < 80; id++) ask(id, { call: 1, method: "data.put", more: true })',
        'ask(1, { call: 1, method: "data.put" }, Buffer.alloc(100_000))',
        'send(26, 1, "")',
        'send(25, 1, ""); send(19, 1, `{"status":200,"headers":[]}`); send(21, 1, ""); send(21, 1, "")',
    ],
)
async def test_a_frame_that_our_runtime_never_sends_ends_the_worker(functions: FunctionsService, forged: str) -> None:
    functions.starter.guard = False
    await deploy(
        functions, "f", f"(() => {{ {SEND} return async () => {{ {forged}; await Bun.sleep(5000); return 1 }} }})()"
    )

    with suppress(FunctionCrashed):  # The call still answers after one of the forgeries.
        await call(functions, "f")
    await until(lambda: not functions.starter.alive)

    errors = [line.text for line in await log_of(functions, "f")]
    assert any(error.startswith("The worker died: it broke the protocol: ") for error in errors)
    await until(lambda: not functions.host_calls.under_way)


async def test_a_worker_that_never_reads_is_no_longer_served(functions: FunctionsService, rooms: Rooms) -> None:
    functions.starter.guard = False
    await rooms[Bundoc].create(SERVER, "posts", b'{"_id":"large","text":"' + b"x" * 60_000 + b'"}')
    await deploy(
        functions,
        "f",
        f"(() => {{ {SEND} return "
        + """() => {
            const args = { as: "project", collection: "posts", id: "large" };
            for (let id = 1; ; id++) {
                if (id % 20 === 0) Bun.sleepSync(5);
                try { ask(id, { call: 1, method: "data.get", args }) } catch (full) { Bun.sleepSync(1) }
            }
        } })()""",
        timeout_ms=1000,
    )
    waiting_bytes = [0]

    for _ in range(10):  # A busy machine may leave the worker no time before its deadline.
        if max(waiting_bytes) > 64 << 10:
            break
        calling = asyncio.create_task(call(functions, "f"))
        while not calling.done():
            for worker in functions.starter.alive:
                waiting_bytes.append(worker.connection.unsent_bytes)
            await asyncio.sleep(0.005)
        await asyncio.gather(calling, return_exceptions=True)

    await until(lambda: not functions.starter.alive)
    assert 64 << 10 < max(waiting_bytes) < 8 << 20  # Without a limit, about 200 MB would wait.


async def test_work_in_wait_until_goes_on_if_the_client_leaves(functions: FunctionsService, rooms: Rooms) -> None:
    await deploy(
        functions,
        "f",
        """(req, ctx) => {
            ctx.signal.addEventListener("abort", () => ctx.waitUntil(ctx.data.put("posts", "left", {})));
            return new Response(new ReadableStream({ start(c) { c.enqueue("x") } }));
        }""",
    )
    parts = invoke(functions, "f")
    await anext(parts)
    await anext(parts)

    await parts.aclose()

    [worker] = functions.starter.alive
    await until(lambda: worker.idle)
    assert (await rooms[Bundoc].get(SERVER, "posts", "left")).rev == 1
