"""The cases of the Autobahn test suite, which kosoku runs on current versions of Python.

Autobahn expects a server that sends each message back, and `/v1/live` does not do that. So the cases run twice: against
a port that sends each message back, with the handshake and the frames of `/v1/live`, and against `/v1/live` itself.
At `/v1/live`, a case ends when the server says `bye` to a text that is no message of its protocol.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import uvloop

from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.http1.switching import switching
from bunbase.pkg.serve import listen, serving
from bunbase.pkg.websocket.connection import WebSocket
from bunbase.pkg.websocket.handshake import accept_handshake
from tests.outside.project import Project, program
from tests.outside.tally import Tally

SECTIONS: Final = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
LARGE: Final = ("9.*",)
COMPRESSED: Final = ("12.*", "13.*")
MAX_BYTES: Final = 17 << 20  # The largest message of section 9 has 16 MiB.
RUN_SECONDS: Final = 600.0
PROGRAM: Final = Path(__file__).with_name("websocket_cases.py")

BINARY: Final = "binary messages are refused with 1008"
BYE: Final = "/v1/live says bye to a text that is no message of its protocol"
LATE: Final = "text is checked for UTF-8 at its end, which the suite allows"


def run(project: Project, python: Path) -> Iterator[Tally]:
    """Yield the results of both runs. `python`: the interpreter of an environment with kosoku."""
    yield uvloop.run(_echoed(python))
    url = project.instance.url.replace("http", "ws", 1) + "/v1/live"
    yield _counted(Tally("Autobahn, against /v1/live"), asyncio.run(_cases(python, url, SECTIONS)))


async def _echoed(python: Path) -> Tally:
    async with serving(_echo, listen("127.0.0.1", 0), Limits()) as url:
        found = await _cases(python, url.replace("http", "ws", 1), (*SECTIONS, *LARGE, *COMPRESSED))
    return _counted(Tally("Autobahn, against a port that sends messages back"), found)


async def _cases(python: Path, url: str, sections: tuple[str, ...]) -> list[dict[str, Any]]:
    command = (*program(python, PROGRAM), url, *sections)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(RUN_SECONDS):
            text, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found: list[dict[str, Any]] = json.loads(text)
    return found


def _counted(tally: Tally, found: list[dict[str, Any]]) -> Tally:
    for case in found:
        results = {case["behavior"], case["close"]}
        if case["behavior"] == "UNIMPLEMENTED":
            tally.skipped["the server offers no compression"] += 1
        elif "INFORMATIONAL" in results:
            tally.skipped["the suite allows every answer"] += 1
        elif results == {"OK"}:
            tally.passed += 1
        elif case["behavior"] == "NON-STRICT" and case["id"].startswith("6.4."):
            tally.known[LATE] += 1
        elif (case["code"], case["reason"]) == (1008, "send text frames with JSON"):
            tally.known[BINARY] += 1
        elif '"t":"bye"' in case["received"]:
            tally.known[BYE] += 1
        else:
            tally.check(False, case["id"], case)
    return tally


class _Echo:
    """The owner of a WebSocket that sends each message back."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket

    def on_text(self, message: bytes) -> None:
        self.socket.send_text(message)

    def on_frames(self, frames: int) -> None:
        """Allow any number of frames."""

    def on_pause(self) -> None:
        """Let answers wait, because the suite reads all of them."""

    def on_resume(self) -> None:
        """Do nothing, because nothing was held back."""

    def on_shutdown(self) -> None:
        self.socket.close(1001)

    def on_lost(self) -> None:
        """Do nothing, because nothing is stored."""


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    connection = switching(scope)
    assert connection is not None
    headers = [(name.encode(), value.encode()) for name, value in accept_handshake(scope["headers"], ())]
    connection.switch_to(WebSocket(MAX_BYTES, _Echo))
    await send({"type": "http.response.start", "status": 101, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
