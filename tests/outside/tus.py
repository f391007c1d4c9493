"""Journeys with tus-js-client and tuspy, through a proxy that cuts their connections after a random number of bytes.

`BUNBASE_SUITES/tus` contains tus-js-client: `npm install --prefix $BUNBASE_SUITES/tus tus-js-client@4.3.1`.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.outside.project import Project, program
from tests.outside.tally import Tally

HERE: Final = Path(__file__).parent
BUCKET: Final = "resumed"
SIZES: Final = (1, 100_000, 3_000_000)
CHUNKS: Final = (0, 64_000, 1_000_000)  # 0: the whole file in one request
CASES: Final = ((0, 0), *[(size, chunk) for size in SIZES for chunk in CHUNKS])
CUTS: Final = 4
SECONDS: Final = 120.0
UNKNOWN: Final = {("tuspy", "defer"), ("tus-js-client", "checksum")}  # these clients do not have them
# The uploads that a client cannot do itself, each with the reason that docs/conformance.md names.
KNOWN: Final = {
    ("tus-js-client", "defer", 0): "tus-js-client never learns the end of an empty stream whose length it does not know"
}


def run(suites: Path, project: Project, python: Path) -> Iterator[Tally]:
    """Yield the results of both clients. `python`: the interpreter of an environment with tuspy."""
    project.send("POST", "/v1/storage/buckets", {"name": BUCKET}).raise_for_status()
    clients: dict[str, tuple[str | Path, ...]] = {
        "tuspy": program(python, HERE / "tus_client.py"),
        "tus-js-client": ("node", HERE / "tus_client.mjs", suites / "tus"),
    }
    for name, command in clients.items():
        tally = Tally(f"{name}, with connections that are cut")
        for seed, (size, chunk) in enumerate(CASES):
            for more in ("", "defer", "checksum"):
                if (name, more) in UNKNOWN:
                    continue
                upload = Tally(tally.suite)
                asyncio.run(_uploaded(project, upload, command, f"{name} {more}", seed, size, chunk, more))
                count(tally, upload, KNOWN.get((name, more, size), ""))
        yield tally


def count(tally: Tally, upload: Tally, reason: str) -> None:
    """Add the results of one upload. `reason`: why the upload must fail, or empty.

    An upload that passes in spite of its reason is a failure: the docs are wrong.
    """
    if reason and upload.failed:
        tally.known[reason] += 1
        return
    tally.passed += upload.passed
    tally.failed += [f"passes, but tus.py names it: {reason}"] if reason else upload.failed


def ended_well(code: int | None, said: bytes) -> bool:
    """True if the program of a client exited with 0, and its last line says that the upload is complete.

    A package of tus-js-client sets the exit code to 0 also if Node stops while an upload still waits.
    """
    return code == 0 and said.endswith(b"complete\n")


async def _uploaded(
    project: Project,
    tally: Tally,
    command: tuple[str | Path, ...],
    name: str,
    seed: int,
    size: int,
    chunk: int,
    more: str,
) -> None:
    content = random.Random(seed).randbytes(size)
    key = f"{name}/{seed}"
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        async with _cutting(project.instance.url, random.Random(seed), size) as (url, cuts):
            given = {"url": url, "key": project.secret, "file": file.name, "bucket": BUCKET, "name": key}
            asked = json.dumps({**given, "chunk": chunk, "size": size, "more": more})
            process = await asyncio.create_subprocess_exec(
                *command, asked, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            said = b"it did not end in time"
            try:
                async with asyncio.timeout(SECONDS):
                    said, _ = await process.communicate()
            except TimeoutError:
                pass  # counted below as a failure
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    label = f"{key}, {size} bytes, chunks of {chunk}"
    found = await asyncio.to_thread(project.send, "GET", f"/v1/storage/objects/{BUCKET}/{key}")
    tally.check(ended_well(process.returncode, said), label, f"exit {process.returncode}, {said.decode()[-300:]!r}")
    tally.check(found.content == content, f"{label}: the content", f"{found.status_code}, {len(found.content)} bytes")
    tally.check(size < CHUNKS[1] or cuts[0] > 0, f"{label}: connections were cut", cuts)


@asynccontextmanager
async def _cutting(target: str, rng: random.Random, size: int) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve a proxy that cuts the first connections after a random number of bytes from the client."""
    to = urlsplit(target)
    cuts = [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        allowed = rng.randrange(300, 1200 + size // 2) if size and cuts[0] < CUTS else None
        up_reader, up_writer = await asyncio.open_connection(to.hostname, to.port)
        back = asyncio.ensure_future(_copied(up_reader, writer, None))
        with suppress(asyncio.CancelledError):  # the proxy closes
            if await _copied(reader, up_writer, allowed):
                cuts[0] += 1
        # A client that has closed its connection waits for no answer. If this task waited for the server, only a cycle
        # would hold it, and asyncio would report it as "destroyed but pending".
        for one in (writer, up_writer):
            one.transport.abort()
        back.cancel()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", cuts
    finally:
        server.close()


async def _copied(reader: asyncio.StreamReader, writer: Any, allowed: int | None) -> bool:
    """Pass bytes on. Return True if there were more than are allowed."""
    with suppress(ConnectionError):
        while data := await reader.read(1 << 14):
            if allowed is not None:
                data, allowed = data[:allowed], allowed - len(data)
            writer.write(data)
            await writer.drain()
            if allowed is not None and allowed <= 0:
                await asyncio.sleep(0)
                return True
    return False
