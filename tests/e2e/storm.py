"""Mixed load on one project over HTTP: calls, streams, jobs, changes of documents, deployments, rollbacks, variables.

The load continues while processes are killed. The storm records which writes were acknowledged and which requests
failed.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from bunbase.pkg.ids import new_id

ACCOUNT: Final = {"email": "ada@example.com", "password": "correct horse battery"}
WAIT_SECONDS: Final = 4.0  # The server has this value of functions.wait_seconds.
TIMEOUT_MS: Final = 4_000  # Each function has this timeout.
PATIENCE_SECONDS: Final = 15.0  # A request that takes longer than this counts as hung, even on a busy machine.
WRITES_PER_DOCUMENT: Final = 5

CALLED: Final = "async (req, ctx) => { await Bun.sleep(3); return [ctx.function.version, ctx.env.STORM ?? null] }"
STREAMED: Final = """() => new Response(new ReadableStream({ async start(c) {
    for (let n = 0; n < 10; n++) { c.enqueue("x"); await Bun.sleep(20) }
    c.enqueue("end"); c.close();
} }))"""
RECORDED: Final = "async (req, ctx) => { await ctx.data.put('ran', (await req.json()).id, {}) }"
SEEN: Final = """async (req, ctx) => {
    const { id, rev } = await req.json();
    await ctx.data.patch("seen", id, { $push: { revs: rev } });
}"""
SEEN_IN_BATCHES: Final = """async (req, ctx) => {
    const { events } = await req.json();
    const id = (event) => `batch-${event.id}`;
    for (const event of events) await ctx.data.patch("seen", id(event), { $push: { revs: event.rev } });
}"""


class Storm:
    """The load, and the record of its answers.

    `errors`: the number of times that each error occurred, by its code or the name of the exception. `jobs`: the ids of
    acknowledged jobs by payload. `changes`: acknowledged writes as (document, revision). `hung`: requests that got no
    answer in time. `odd`: answers that the server must never give.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.done: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.jobs: dict[str, str] = {}
        self.changes: set[tuple[str, int]] = set()
        self.documents: set[str] = set()
        self.hung: list[str] = []
        self.odd: list[str] = []
        self.stopping = False
        self.secret: dict[str, str] = {}
        self.developer: dict[str, str] = {}
        self.project = ""

    async def prepare(self) -> None:
        async with self._client() as http:
            token = (await http.post("/api/auth/register", json=ACCOUNT)).raise_for_status().json()["access_token"]
            self.developer = {"authorization": f"Bearer {token}"}
            made = (await http.post("/api/projects", json={"name": "Storm"}, headers=self.developer)).json()
            self.project = made["id"]
            self.secret = {"x-bunbase-key": next(key["key"] for key in made["keys"] if key["kind"] == "secret")}
            for name, body in (("called", CALLED), ("streamed", STREAMED), ("recorded", RECORDED)):
                (await self._deploy(http, name, body)).raise_for_status()
            (await self._deploy(http, "watching", SEEN, ',"on":[{"collection":"items"}]')).raise_for_status()
            batches = ',"on":[{"collection":"items"}],"max_batch":20'
            (await self._deploy(http, "batching", SEEN_IN_BATCHES, batches)).raise_for_status()

    @asynccontextmanager
    async def blowing(self) -> AsyncIterator[None]:
        """Load the server until the block ends."""
        work = [self._call] * 4 + [self._stream] * 2 + [self._enqueue] * 2 + [self._write] * 2 + [self._deploy_and_set]
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(self._repeat(one))
            try:
                yield
            finally:
                self.stopping = True

    async def _repeat(self, work: Callable[[httpx.AsyncClient, int], Awaitable[None]]) -> None:
        async with self._client() as http:
            for number in itertools.count():
                if self.stopping:
                    return
                began = time.monotonic()
                try:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await work(http, number)
                except (TimeoutError, httpx.TimeoutException):
                    self.hung.append(f"{work.__name__} for {time.monotonic() - began:.0f} s")
                except httpx.TransportError as error:  # The server was killed.
                    self.errors[type(error).__name__] += 1
                    await asyncio.sleep(0.1)

    async def _call(self, http: httpx.AsyncClient, number: int) -> None:
        reply = await self._ask(http, "GET", "/v1/functions/called")
        if reply is not None and reply.json()[0] != int(reply.headers["x-bunbase-function-version"]):
            self.odd.append(reply.text)

    async def _stream(self, http: httpx.AsyncClient, number: int) -> None:
        reply = await self._ask(
            http, "GET", "/v1/functions/streamed"
        )  # this raises TransportError if the stream was cut off
        if reply is not None and reply.text != "x" * 10 + "end":
            self.odd.append(f"a stream that ends well after {reply.text}")

    async def _enqueue(self, http: httpx.AsyncClient, number: int) -> None:
        id = new_id("n")
        job = await self._ask(http, "POST", "/v1/jobs", {"function": "recorded", "payload": {"id": id}})
        if job is not None:
            self.jobs[id] = job.json()["id"]
        await asyncio.sleep(0.1)

    async def _write(self, http: httpx.AsyncClient, number: int) -> None:
        id = new_id("d")
        for seen in (id, f"batch-{id}"):
            if await self._ask(http, "PUT", f"/v1/data/seen/{seen}", {"revs": []}) is None:
                return
        self.documents.add(id)
        for n in range(WRITES_PER_DOCUMENT):
            written = await self._ask(http, "PUT", f"/v1/data/items/{id}", {"n": n})
            if written is not None:
                self.changes.add((id, written.json()["_rev"]))
            await asyncio.sleep(0.1)

    async def _deploy_and_set(self, http: httpx.AsyncClient, number: int) -> None:
        path = f"/api/projects/{self.project}"
        match number % 4:
            case 0 | 1:
                self._keep("deploy", await self._deploy(http, "called", CALLED))
            case 2:
                self._keep("rollback", await http.post(f"{path}/functions/called/rollback", headers=self.developer))
            case _:
                value = {"value": str(number)}
                self._keep("variable", await http.put(f"{path}/env/STORM", json=value, headers=self.developer))
        await asyncio.sleep(0.3)

    async def _deploy(self, http: httpx.AsyncClient, name: str, body: str, more: str = "") -> httpx.Response:
        return await http.put(
            f"/api/projects/{self.project}/functions/{name}",
            files={"bundle": ("f.js", f"module.exports.default = {body}")},
            data={"config": f'{{"timeout_ms":{TIMEOUT_MS}{more}}}'},
            headers=self.developer,
        )

    async def _ask(self, http: httpx.AsyncClient, method: str, path: str, json: Any = None) -> httpx.Response | None:
        reply = await http.request(method, path, json=json, headers=self.secret)
        return reply if self._keep(path.split("/")[3 if "functions" in path else 2], reply) else None

    def _keep(self, what: str, reply: httpx.Response) -> bool:
        if reply.is_success:
            self.done[what] += 1
            return True
        if reply.headers.get("content-type") == "application/problem+json":
            self.errors[f"{what}: {reply.json()['code']}"] += 1
        else:
            self.odd.append(f"{what}: {reply.status_code} {reply.text[:200]}")
        return False

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS, trust_env=False)
