"""Uploads that continue after a lost connection, with TUS 1.0.0.

The life of one upload: the client begins an upload on the server, and sends parts of 8 MiB. After a failure that may
pass, it asks the server for the number of bytes that have arrived, and continues there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.file_parts import Parts
from bunbase_sdk.core.flow import Flow, Maybe, Sleep, ask
from bunbase_sdk.core.retry import FIRST_PAUSE_SECONDS, backoff, pause_before
from bunbase_sdk.core.transport import Transport, Wanted, path
from bunbase_sdk.models import StoredFile
from bunbase_sdk.problem import Problem, invalid_value

UPLOADS: Final = "/v1/storage/tus"
VERSION: Final = {"Tus-Resumable": "1.0.0"}
CHUNK: Final = {**VERSION, "Content-Type": "application/offset+octet-stream"}
RETRIES: Final = 5  # failures in a row without any progress
PASSING: Final = frozenset({"upload_busy", "upload_offset_mismatch", "timeout", "deadline_exceeded", "request_stalled"})


@dataclass(frozen=True, slots=True)
class NewUpload:
    """`headers`: the conditions. `patience`: returns the deadline of a request that sends this many bytes."""

    bucket: str
    key: str
    values: Mapping[str, str | None]
    headers: Mapping[str, str]
    actor: Mapping[str, str]
    patience: Callable[[int], Deadline]
    on_progress: Callable[[int, int | None], Maybe[object]] | None = None
    on_begun: Callable[[str], Maybe[object]] | None = None


@dataclass(slots=True)
class Sending:
    """One upload that runs. `offset`: the bytes that the server has. `part`: the bytes from `start` on."""

    transport: Transport
    new: NewUpload
    parts: Parts
    id: str = ""
    offset: int = 0
    start: int = 0
    part: bytes = field(default=b"", repr=False)
    failures: int = 0

    def run(self, continued: str | None, first: bytes) -> Flow[StoredFile]:
        """Send all parts. `continued`: the id of an upload to continue, or None. Raises: Problem."""
        self.part = first
        if continued is None:
            yield from self._begin()
        else:
            self.id = continued
            state = yield from self._state()
            if state["finished"]:
                return cast("StoredFile", state["object"])
            yield from self._continue_at(state["offset"])
        yield from self._report()
        while True:
            try:
                yield from self._send()
            except Problem as problem:
                before = self.offset
                state = yield from self._after(problem)
                if state["finished"]:
                    return cast("StoredFile", state["object"])
                yield from self._continue_at(state["offset"])
                self.failures = 0 if self.offset > before else self.failures
            else:
                self.failures = 0
                if self.parts.ended:
                    yield from self._report()
                    return cast("StoredFile", (yield from self._state())["object"])
                self.start, self.part = self.offset, (yield from self.parts.next())
            yield from self._report()

    def _begin(self) -> Flow[None]:
        new = self.new
        size = self.parts.size
        values = {"bucket": new.bucket, "key": new.key, **new.values}
        encoded = [f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items() if value]
        length = {"Upload-Defer-Length": "1"} if size is None else {"Upload-Length": str(size)}
        headers = {**VERSION, **length, "Upload-Metadata": ",".join(encoded), **new.headers, **new.actor}
        wanted = Wanted("POST", UPLOADS, headers=headers, repeatable=True)
        self.id = (yield from self.transport.json(wanted, new.patience(0)))["id"]
        if new.on_begun is not None:
            yield from ask(new.on_begun, self.id)

    def _send(self) -> Flow[None]:
        data = self.part[self.offset - self.start :]
        known = {"Upload-Length": str(self.offset + len(data))} if self.parts.ended and self.parts.size is None else {}
        headers = {**CHUNK, "Upload-Offset": str(self.offset), **known, **self.new.actor}
        wanted = Wanted("PATCH", UPLOADS + path(self.id), content=data, headers=headers)
        yield from self.transport.json(wanted, self.new.patience(len(data)))
        self.offset += len(data)

    def _state(self) -> Flow[Any]:
        wanted = Wanted("GET", UPLOADS + path(self.id), headers={**VERSION, **self.new.actor}, repeatable=True)
        return self.transport.json(wanted, self.new.patience(0))

    def _continue_at(self, offset: int) -> Flow[None]:
        """Continue at this byte. Raises: Problem, if the content before it can no longer be read."""
        while offset > self.start + len(self.part) and not self.parts.ended:
            self.start += len(self.part)
            self.part = yield from self.parts.next()
        if not self.start <= offset <= self.start + len(self.part):
            raise invalid_value("content", "The upload cannot continue with this content: upload it again.")
        self.offset = offset

    def _after(self, problem: Problem) -> Flow[Any]:
        """Wait after a failure that may pass, and return the state of the upload. Raises: Problem, otherwise."""
        while True:
            pause = pause_before(self.failures, problem)
            if problem.code in PASSING:
                pause = problem.retry_after or backoff(self.failures, FIRST_PAUSE_SECONDS)
            if pause is None or self.failures >= max(RETRIES if self.transport.retries else 0, self.transport.retries):
                raise problem
            self.failures += 1
            yield Sleep(pause)
            try:
                return (yield from self._state())
            except Problem as later:
                problem = later

    def _report(self) -> Flow[None]:
        if self.new.on_progress is not None:
            yield from ask(self.new.on_progress, self.offset, self.parts.size)


def metadata_text(metadata: Mapping[str, str] | None) -> str | None:
    return None if metadata is None else json.dumps(dict(metadata))
