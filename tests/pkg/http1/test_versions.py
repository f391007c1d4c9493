from __future__ import annotations

import pytest

from tests.pkg.http1.door import port


@pytest.mark.parametrize("keep_alive", [(), ("connection: keep-alive",)])
async def test_http_1_0_gets_a_stream_without_chunks_that_ends_with_the_connection(keep_alive: tuple[str, ...]) -> None:
    """RFC 9112 section 6.1 requires this."""
    async with port() as server, server.connected() as client:
        client.send("GET /parts", *keep_alive, version="1.0")

        head, _, body = (await client.rest()).partition(b"\r\n\r\n")

    assert (b"transfer-encoding" in head.lower(), b"connection: close" in head.lower(), body) == (
        False,
        True,
        b"one,two",
    )


async def test_http_1_0_gets_an_answer_of_known_length_with_its_length() -> None:
    async with port() as server, server.connected() as client:
        client.send("GET /early", version="1.0")

        answer = await client.rest()

    assert b"content-length: 9" in answer
    assert answer.endswith(b"too large")


async def test_http_1_0_sees_a_reset_if_a_stream_fails() -> None:
    """Without chunks, the end of the connection ends the answer, so a failure must not look like a normal end."""
    async with port() as server, server.connected() as client:
        client.send("GET /broken", version="1.0")

        with pytest.raises(ConnectionResetError):
            await client.rest()


async def test_http_1_1_gets_a_stream_in_chunks() -> None:
    async with port() as server, server.connected() as client:
        client.send("GET /parts", "connection: close")

        assert (await client.rest()).endswith(b"\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n")
