"""The strict request tests of llhttp, the HTTP/1.1 parser of Node, over a socket.

A test passes if the number of answers with 200 equals the number of complete messages in the test, and if the server
closes the connection after an error. Where RFC 9112 and our limits demand more than llhttp does, a test is a known
difference. If a test has no Host header, the runner adds one, because the server refuses HTTP/1.1 without Host.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bunbase.pkg.errors import Problem
from tests.outside.tally import Tally
from tests.pkg.http1.door import App, port

TESTS: Final = re.compile(
    r"###? (?P<name>[^\n]*)\n[^#]*?meta=(?P<meta>\{[^\n]*\}).*?```http\n(?P<input>.*?)```.*?```log\n(?P<log>.*?)```",
    re.DOTALL,
)
ANSWER: Final = re.compile(rb"HTTP/1\.1 (\d\d\d)")
WITHOUT_HOST: Final = re.compile(
    rb"((?:^|(?<=\n)|(?<=[A-Z]{3}))[A-Z-]+ \S+ HTTP/1\.1\r\n)(?!(?:[^\r\n]+\r\n)*[Hh][Oo][Ss][Tt]:)"
)
QUIET_SECONDS: Final = 5.0

# These differences are listed by the request. This server refuses more than llhttp, or does not end where llhttp stops
# parsing.
STRICTER: Final[dict[str, re.Pattern[bytes]]] = {
    "CONNECT is refused: this server is no proxy": re.compile(rb"^CONNECT "),
    "a request line without a version is refused": re.compile(rb"^GET /\r\n"),
    "transfer codings besides chunked are refused (RFC 9112 §6.1)": re.compile(rb"deflate"),
    "a fragment or a user in the target is refused (RFC 9112 §3.2)": re.compile(rb"^GET \S*[#@]"),
    "only OPTIONS may have the target *": re.compile(rb"^M-SEARCH \*"),
    "Upgrade is ignored, because only live connections have a use for it": re.compile(rb"\r\nUpgrade: ws"),
}


class AnyMethod(App):
    """Reads the body of each request, and answers 200."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with suppress(Problem):  # The body cannot be read, and the server has answered.
            await self._answer({**scope, "path": "/read"}, receive, send)


def run(suites: Path) -> list[Tally]:
    """Return the results of all files. `suites`: the folder that contains `llhttp`."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # This logger reports each body that cannot be read.
    return [asyncio.run(_all(suites / "llhttp" / "test" / "request"))]


async def _all(folder: Path) -> Tally:
    tally = Tally("llhttp, strict requests")
    async with port(AnyMethod()) as door:
        for file in sorted(folder.glob("*.md")):
            for found in TESTS.finditer(file.read_text("utf-8")):
                meta = found["meta"]
                if "lenient" in meta or "pause" in meta or "skipBody" in meta or "finish" in meta:
                    tally.skipped["an option of llhttp: lenient parsing, pauses, and ends without a message"] += 1
                    continue
                await _one(tally, door.number, f"{file.stem}: {found['name']}", _input(found["input"]), found["log"])
    return tally


async def _one(tally: Tally, number: int, name: str, sent: bytes, log: str) -> None:
    wanted, fails = log.count("message complete"), "error code" in log
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    try:
        writer.write(_with_host(sent))
        answers, closed = b"", False
        try:
            async with asyncio.timeout(QUIET_SECONDS if fails else 0.3):
                while chunk := await reader.read(65536):
                    answers += chunk
                closed = True
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
    finally:
        writer.close()
    statuses = [int(one) for one in ANSWER.findall(answers)]
    good = sum(one == 200 for one in statuses)
    right = good == wanted and (closed or not fails)
    reason = "" if right else next((why for why, part in STRICTER.items() if part.search(sent)), "")
    if reason:
        tally.known[reason] += 1
        return
    tally.check(right, name, f"{statuses} closed={closed}, wanted {wanted} fails={fails} {sent[:160]!r}")


def _with_host(sent: bytes) -> bytes:
    """Return the requests with a Host header in each one of HTTP/1.1 that has none."""
    return WITHOUT_HOST.sub(rb"\1Host: a\r\n", sent)


def _input(text: str) -> bytes:
    """Return the bytes of a test, whose escapes `md-test.ts` of the suite describes."""
    text = re.sub(r"\n\Z", "", text)
    text = re.sub(r"\\\n", "", text).replace("\n", "\r\n")
    for escape, character in (("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t"), ("\\f", "\f")):
        text = text.replace(escape, character)
    text = re.sub(r"\\x([0-9a-fA-F]+)", lambda found: chr(int(found[1], 16)), text)
    text = re.sub(r"\\([0-7]{1,3})", lambda found: chr(int(found[1], 8)), text)
    text = re.sub(r"\$\{'(.)'\.repeat\((\d+)\)\}", lambda found: found[1] * int(found[2]), text)
    return text.encode("latin-1", "replace") if max(text) < "\u0100" else text.encode()
