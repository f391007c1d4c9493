"""Answers that a function may give by mistake: each fails alone, its worker and its neighbours go on."""

from __future__ import annotations

import asyncio

from bunbase.functions.service import FunctionsService
from bunbase.pkg.errors import Problem
from tests.functions.calls import call, deploy, request

ODD = {
    "Response.error": "Response.error()",
    "status 101": "new Response(null, { status: 101 })",
    "a forged status": "Object.defineProperty(new Response('x'), 'status', { value: 99 })",
    "200 headers": "new Response('x', { headers: Array.from({ length: 200 }, (_, i) => ['x-' + i, 'v']) })",
    "a long header": "new Response('x', { headers: { a: 'x'.repeat(40_000) } })",
    "a very long header": "new Response('x', { headers: { a: 'x'.repeat(400_000) } })",
    "a control character": "new Response('x', { headers: { a: 'b\\x01' } })",
    "a used body": "(() => { const r = new Response('x'); r.text(); return r })()",
    "a locked body": "(() => { const r = new Response('x'); r.body.getReader(); return r })()",
    "a stream of strings": "new Response(new ReadableStream({ start(c) { c.enqueue('x'); c.close() } }))",
    "a stream of numbers": "new Response(new ReadableStream({ start(c) { c.enqueue(1); c.close() } }))",
    "a stream that fails": "new Response(new ReadableStream({ start(c) { c.error(null) } }))",
    "a big number": "10n",
    "a circle": "(() => { const a = {}; a.a = a; return a })()",
    "half a pair": "({ a: '\\ud800' })",
    "a symbol": "Symbol('x')",
    "a function": "() => 1",
    "a hostile toJSON": "({ toJSON() { throw null } })",
    "a hostile getter": "({ get a() { throw { get message() { throw 1 } } } })",
    "throws null": "(() => { throw null })()",
    "throws hostile": "(() => { throw { get stack() { throw 1 }, get message() { throw 2 } } })()",
    "throws a proxy": "(() => { throw new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 2 } }) })()",
    "throws long": "(() => { throw new Error('x'.repeat(1_000_000)) })()",
    "throws half a pair": "(() => { throw new Error('\\ud800') })()",
    "rejects later": "(Promise.reject(null), new Promise(resolve => setTimeout(resolve, 20)))",
    "logs odd things": "console.log(Symbol('x'), 10n, '\\ud800', new Proxy({}, { get() { throw 1 } }))",
}


async def test_an_odd_answer_harms_nobody(functions: FunctionsService) -> None:
    cases = ",".join(f"{name!r}: () => {code}" for name, code in ODD.items())
    await deploy(
        functions,
        "f",
        f"""async (req) => {{
            const odd = {{ {cases} }}, name = decodeURIComponent(new URL(req.url).pathname.slice(1));
            if (name !== "neighbour") return odd[name]();
            await new Promise(resolve => setTimeout(resolve, 50));
            return "well";
        }}""",
        timeout_ms=3000,
    )
    harmed = {}
    for name in ODD:
        neighbour = asyncio.create_task(call(functions, "f", request("/neighbour")))
        await asyncio.sleep(0)
        try:
            await call(functions, "f", request("/" + name.replace(" ", "%20")))
        except Problem as problem:
            if problem.code != "function_error":
                harmed[name] = problem.code
        try:
            assert (await neighbour).body.strip(b'"') == b"well"
        except Problem as problem:
            harmed[f"{name}: neighbour"] = problem.code

    assert harmed == {}
