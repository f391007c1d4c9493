"""A proxy before PostgreSQL that can drop all bytes silently, like a firewall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit, urlunsplit


class Line:
    """A proxied connection. While `swallows` is True, bytes are dropped in both directions."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.swallows = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sent := await reader.read(65536):
            if not self.swallows:
                writer.write(sent)
        writer.close()


@asynccontextmanager
async def swallowing(url: str) -> AsyncIterator[Line]:
    parts = urlsplit(url)
    line = Line("")
    carrying: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await _connected(url)
        for one in (line.carry(reader, behind[1]), line.carry(behind[0], writer)):
            carrying.add(asyncio.create_task(one))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        account = parts.netloc.rpartition("@")[0]
        line.url = urlunsplit(parts._replace(netloc=f"{account}@127.0.0.1:{port}", query=""))
        yield line
    finally:
        server.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


async def _connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    socket = parse_qs(parts.query).get("host", [""])[0]
    if socket.startswith("/"):
        return await asyncio.open_unix_connection(f"{socket}/.s.PGSQL.{parts.port or 5432}")
    return await asyncio.open_connection(parts.hostname, parts.port or 5432)
