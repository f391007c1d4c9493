"""Wrong answers of a function. Only the call fails; the worker and its other calls continue."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.functions.invocations import Chunk, Head
from bunbase.contracts.functions.problems import FunctionError
from bunbase.functions.service import FunctionsService
from bunbase.pkg.errors import Problem
from tests.functions.calls import call, deploy, invoke, log_of, request

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


async def test_an_invalid_answer_does_not_affect_other_calls(functions: FunctionsService) -> None:
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


# These expressions make a Response whose body cannot be read. This must be detected before the head is sent.
CANNOT_BE_SENT = {
    "used twice": "(globalThis.kept ??= new Response('x'))",
    "read": "(async () => { const r = new Response('x'); await r.text(); return r })()",
    "being read": "(() => { const r = new Response('x'); r.text(); return r })()",
    "locked": "(() => { const r = new Response('x'); r.body.getReader(); return r })()",
    "read as a stream": "(async () => { const r = new Response('x'); for await (const _ of r.body); return r })()",
    "cancelled": "(async () => { const r = new Response('x'); await r.body.cancel(); return r })()",
    "fails at once": "new Response(new ReadableStream({ start(c) { c.error(new Error('no')) } }))",
    "fails in start": "new Response(new ReadableStream({ async start() { await Bun.sleep(5); throw 1 } }))",
    "fails when pulled": "new Response(new ReadableStream({ pull() { throw new Error('no') } }))",
    "fails behind nothing": "(() => { let n = 0; return new Response(new ReadableStream({ pull(c) { "
    "if (n++) throw 1; c.enqueue('') } })) })()",
    "fails after a while": "new Response(new ReadableStream({ async pull() { await Bun.sleep(50); throw 1 } }))",
    "a number first": "new Response(new ReadableStream({ start(c) { c.enqueue(1); c.close() } }))",
    "an object first": "new Response(new ReadableStream({ start(c) { c.enqueue({}); c.close() } }))",
    "a generator that throws": "new Response((async function* () { throw new Error('no') })())",
    "events that fail at once": "new Response(new ReadableStream({ pull() { throw new Error('no') } }), "
    "{ headers: { 'content-type': 'text/event-stream' } })",
}


async def test_an_answer_that_cannot_be_read_becomes_an_error_before_its_head_is_sent(
    functions: FunctionsService,
) -> None:
    """The head is sent only when it is certain that the body can be read."""
    cases = ",".join(f"{name!r}: () => {code}" for name, code in CANNOT_BE_SENT.items())
    await deploy(
        functions,
        "f",
        f"(req) => ({{ {cases} }})[decodeURIComponent(new URL(req.url).pathname.slice(1))]()",
    )
    assert (await call(functions, "f", request("/used%20twice"))).body == b"x"

    for name in CANNOT_BE_SENT:
        parts = invoke(functions, "f", request("/" + name.replace(" ", "%20")))
        with pytest.raises(FunctionError):
            pytest.fail(f"{name}: {await anext(parts)}")

    texts = [line.text for line in await log_of(functions, "f")]
    assert len(texts) == len(CANNOT_BE_SENT)
    assert "TypeError: The Response was used before. Make a new Response for each answer." in texts[0]


@pytest.mark.parametrize("kind", ["text/event-stream", "Text/Event-Stream; charset=utf-8", "application/x-silent"])
async def test_a_stream_without_data_yet_still_sends_its_head(functions: FunctionsService, kind: str) -> None:
    """An event stream sends its head at once; other streams may wait a second for their first data."""
    await deploy(
        functions,
        "f",
        f"""(req) => {{
            if (req.method === "POST") return globalThis.say("late");
            return new Response(new ReadableStream({{ start(c) {{
                globalThis.say = (text) => {{ c.enqueue(text); c.close() }}
            }} }}), {{ headers: {{ "content-type": "{kind}" }} }});
        }}""",
    )
    parts = invoke(functions, "f")

    async with asyncio.timeout(20):
        head = await anext(parts)
    await call(functions, "f", request(method="POST"))

    assert isinstance(head, Head)
    assert [part async for part in parts] == [Chunk(b"late")]
