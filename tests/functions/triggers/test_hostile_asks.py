"""Arguments that no route accepts, sent by a function. Each gets a Problem and never causes an internal error."""

from __future__ import annotations

from bunbase.functions.service import FunctionsService
from tests.functions.calls import call, deploy

ATTACKS = """async (req, ctx) => {
    const data = ctx.data, huge = 2 ** 70;
    const odd = ["", "\\0", "a\\0", "../x", "a/b", "\\ud800", "x".repeat(100_000), "x".repeat(400_000)];
    await data.put("posts", "one", { n: 1 });
    const tries = {
        ...Object.fromEntries([-1, 0, 501, huge, -huge, 1.5, "1", null].map(limit =>
            [`list limit ${limit}`, () => data.list("posts", { limit })])),
        ...Object.fromEntries([-1, 0, 501, huge, -huge].map(limit =>
            [`query limit ${limit}`, () => data.query("posts", { limit })])),
        ...Object.fromEntries([-1, huge, -huge, 1.5].map(ifRev =>
            [`if_rev ${ifRev}`, () => data.put("posts", "one", { n: 2 }, { ifRev })])),
        ...Object.fromEntries(odd.map((name, at) => [`get ${at}`, () => data.get("posts", name)])),
        ...Object.fromEntries(odd.map((name, at) => [`collection ${at}`, () => data.list(name)])),
        ...Object.fromEntries(odd.map((name, at) => [`create in ${at}`, () => data.create(name, {})])),
        ...Object.fromEntries(odd.map((cursor, at) => [`cursor ${at}`, () => data.list("posts", { cursor })])),
        "where no object": () => data.query("posts", { where: 1 }),
        "where null": () => data.query("posts", { where: null }),
        "where deep": () => data.query("posts", { where: JSON.parse('{"$and":['.repeat(900) + ']}'.repeat(900)) }),
        "where NUL": () => data.query("posts", { where: { "a\\0": 1 } }),
        "where huge": () => data.query("posts", { where: { n: huge } }),
        "sort odd": () => data.query("posts", { sort: ["\\0"] }),
        "sort many": () => data.query("posts", { sort: Array(5000).fill("n") }),
        "select odd": () => data.query("posts", { select: ["", "\\0"] }),
        "select many": () => data.query("posts", { select: Array(50000).fill("n") }),
        "aggregate null": () => data.aggregate("posts", { values: null }),
        "aggregate odd": () => data.aggregate("posts", { values: { "\\0": { $sum: "\\0" } } }),
        "group many": () => data.aggregate("posts", { values: { n: { $count: {} } }, group: Array(5000).fill("n") }),
        "commit many": () => data.commit(Array(501).fill({ op: "put", collection: "posts", id: "x", document: {} })),
        "commit odd": () => data.commit([{ op: "eval" }]),
        "commit none": () => data.commit("x"),
        "enqueue huge": () => ctx.enqueue("f", null, { delay_seconds: huge }),
        "enqueue negative": () => ctx.enqueue("f", null, { delay_seconds: -1 }),
        "enqueue key": () => ctx.enqueue("f", null, { key: "\\0", delay_seconds: 9 }),
        "enqueue odd": () => ctx.enqueue("\\0"),
        "enqueue attempts": () => ctx.enqueue("f", null, { attempts: huge }),
        "enqueue large": () => ctx.enqueue("f", "x".repeat(300_000)),
        "fetch host": () => fetch("https://x".padEnd(20_000, "x")),
        "fetch long": () => fetch("https://x/" + "x".repeat(400_000)),
        "fetch headers": () => fetch("https://x/", { headers: { a: "x".repeat(400_000) } }),
        "me": () => ctx.auth.me(),
    };
    const codes = {};
    for (const [name, attempt] of Object.entries(tries)) {
        codes[name] = await attempt().then(() => "fine", error => error.code ?? error.cause?.code ?? String(error));
    }
    return codes;
}"""


async def test_no_argument_of_a_host_call_causes_an_internal_error(functions: FunctionsService) -> None:
    await deploy(functions, "f", ATTACKS)

    codes: dict[str, str] = (await call(functions, "f")).json

    assert {name: code for name, code in codes.items() if code == "internal" or " " in code} == {}
    assert len(codes) > 50


async def test_host_calls_that_cannot_be_sent_do_not_use_up_the_limit(functions: FunctionsService) -> None:
    body = """async (req, ctx) => {
        const wrong = [10n, { toJSON() { throw new Error() } }, "x".repeat(400_000)];
        for (let i = 0; i < 100; i++) await ctx.data.get("posts", wrong[i % 3]).catch(() => {});
        return ctx.data.get("posts", "\\ud800").catch(error => error.code);
    }"""
    await deploy(functions, "f", body, timeout_ms=5000)

    assert (await call(functions, "f")).json in ("collection_not_found", "document_not_found", "invalid_input")
