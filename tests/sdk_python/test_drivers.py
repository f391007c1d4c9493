"""Threads, tasks, forks and closed connections."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bunbase_sdk import AsyncClient, Client, Problem, Unreachable
from tests.pkg.waiting import eventually
from tests.sdk_js.fault_proxy import serving
from tests.sdk_python.cutting_proxy import CuttingProxy
from tests.sdk_python.site import Site


async def test_a_task_that_is_cancelled_closes_its_connection_and_the_client_goes_on(site: Site) -> None:
    with serving(CuttingProxy(site.url)) as watched:
        async with AsyncClient(watched.url, site.secret) as client:
            done = await client.data.commit([{"op": "put", "collection": "posts", "id": "one", "data": {}}])
            last = done["seq"]

            async def followed() -> None:
                async for _ in client.changes(since=last, follow=True):
                    pass

            tasks = [asyncio.create_task(followed()) for _ in range(3)]
            await eventually(lambda: watched.connections >= 3, 20)
            for task in tasks:
                task.cancel()
            assert await asyncio.gather(*tasks, return_exceptions=True)
            assert all(task.cancelled() for task in tasks)
            await client.data.collection("posts").get("one")
        await eventually(lambda: not watched.open, 20)


async def test_a_loop_that_is_left_closes_its_stream(site: Site) -> None:
    with serving(CuttingProxy(site.url)) as watched:
        async with AsyncClient(watched.url, site.secret) as client:
            await client.data.collection("moved").put("one", {})
            async with aclosing(client.export()) as lines:
                async for _ in lines:
                    break
        with Client(watched.url, site.secret) as waiting:
            for _ in waiting.export():
                break
        await eventually(lambda: not watched.open, 20)


async def test_tasks_share_a_client(site: Site) -> None:
    async with AsyncClient(site.url, site.account) as client:
        posts = client.data.collection("posts")
        done = await asyncio.gather(*[posts.put(f"t{number}", {"n": number}) for number in range(20)])
        assert [one["n"] for one in done] == [*range(20)]


def test_threads_share_a_client(site: Site) -> None:
    with Client(site.url, site.secret) as client, ThreadPoolExecutor(8) as pool:
        posts = client.data.collection("posts")
        done = list(pool.map(lambda number: posts.put(f"t{number}", {"n": number})["n"], range(40)))
    assert done == [*range(40)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_opens_connections_of_its_own(site: Site) -> None:
    with serving(CuttingProxy(site.url)) as watched, Client(watched.url, site.secret) as client:
        posts = client.data.collection("posts")
        posts.put("fork", {"n": 0})
        before = watched.connections
        with warnings.catch_warnings():
            # Python warns at a fork, because this process has threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if posts.get("fork")["n"] == 0 else 2
                client.close()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert watched.connections == before + 1
        assert posts.get("fork")["n"] == 0
        assert watched.connections == before + 1


def test_a_client_that_is_closed_leaves_no_warning(site: Site) -> None:
    async def used() -> None:
        async with AsyncClient(site.url, site.secret) as client:
            await client.data.collection("posts").count()
            await client.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Client(site.url, site.secret) as client:
            client.data.collection("posts").count()
            client.close()
        asyncio.run(used())
        del client
        gc.collect()


def test_a_closed_client_says_so(site: Site) -> None:
    client = Client(site.url, site.secret)
    client.close()

    for call in (client.data.collection("posts").count, lambda: list(client.changes(follow=True, stop_after=5))):
        with pytest.raises(Problem, match="closed") as refused:
            call()
        assert refused.value.code == "client_closed"


def test_an_answer_that_drips_ends_with_the_time_of_the_call() -> None:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Dripping)) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"

        async def waited() -> None:
            async with AsyncClient(url, "sk_1", timeout=0.4) as client:
                await client.data.collection("posts").get("first")

        with Client(url, "sk_1", timeout=0.4) as client, pytest.raises(Unreachable) as late:
            client.data.collection("posts").get("first")
        with pytest.raises(Unreachable) as late_too:
            asyncio.run(waited())
        assert late.value.code == late_too.value.code == "timeout"
        Dripping.stop.set()


class Dripping(BaseHTTPRequestHandler):
    """A server that sends a byte each tenth of a second."""

    stop = threading.Event()

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(100):
            try:
                self.wfile.write(b" ")
            except OSError:
                return
            if self.stop.wait(0.1):
                return
