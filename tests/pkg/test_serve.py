from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import httpx
import pytest

from bunbase.pkg.serve import BACKLOG, PortTaken, base_url, listen, serving

SOMAXCONN = Path("/proc/sys/net/core/somaxconn")


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_a_server_answers_only_inside_its_block() -> None:
    async with serving(hello, listen("127.0.0.1", 0)) as address, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(address)).text == "hello"

    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(address)


@pytest.mark.skipif(not SOMAXCONN.exists(), reason="only Linux tells the length of the queue")
async def test_as_many_clients_as_the_kernel_allows_may_wait_to_be_accepted() -> None:
    """Before, while a server started, only 2,048 of 5,000 clients could wait, and the kernel dropped the others."""
    most = min(BACKLOG, int(SOMAXCONN.read_text()))
    with listen("127.0.0.1", 0) as listener:
        before = longest_queue(listener)
        async with serving(hello, listener):
            assert (before, longest_queue(listener)) == (most, most)


def longest_queue(listener: socket.socket) -> int:
    """Return how many connections may wait at a listening socket.

    Linux reports the number in `tcpi_sacked` of tcp_info.
    """
    return int(struct.unpack_from("=I", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32), 28)[0])


async def test_a_taken_port_is_named_in_the_error() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(PortTaken, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            listen("127.0.0.1", port)


async def test_an_address_of_another_machine_is_named_in_the_error() -> None:
    with pytest.raises(PortTaken, match=r"192\.0\.2\.1:0"):
        listen("192.0.2.1", 0)


async def test_two_servers_can_run_in_one_process() -> None:
    async with (
        serving(hello, listen("127.0.0.1", 0)) as one,
        serving(hello, listen("127.0.0.1", 0)) as other,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        assert one != other
        assert [(await client.get(address)).text for address in (one, other)] == ["hello", "hello"]


async def test_a_running_request_is_answered_before_the_server_stops() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        arrived.set()
        await go_on.wait()
        await hello(scope, receive, send)

    async with httpx.AsyncClient(trust_env=False) as client:
        async with serving(slow, listen("127.0.0.1", 0)) as address:
            answer = asyncio.ensure_future(client.get(address))
            await arrived.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)

        assert (await answer).text == "hello"


async def test_the_url_of_an_ipv6_server_has_brackets() -> None:
    try:
        listener = listen("::1", 0)
    except PortTaken:
        pytest.skip("this machine has no IPv6")
    assert listener.family == socket.AF_INET6

    async with serving(hello, listener) as address:
        assert address.startswith("http://[::1]:")


def test_a_base_url_has_brackets_around_an_ipv6_address() -> None:
    assert [base_url("::", 7070), base_url("127.0.0.1", 80)] == ["http://[::]:7070", "http://127.0.0.1:80"]
