"""The functions of the project: calls, and deployments."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from bunbase_sdk.core.answers import problem_in, value_of
from bunbase_sdk.core.developer_paths import project_path
from bunbase_sdk.core.flow import Answer, Broken, Emit, Flow, Items, read
from bunbase_sdk.core.json_values import written
from bunbase_sdk.core.logs import log_lines
from bunbase_sdk.core.pages import all_listed
from bunbase_sdk.core.requests import KEY, new_key
from bunbase_sdk.core.transport import NOTHING, Transport, Wanted, path
from bunbase_sdk.function_answer import FunctionAnswer
from bunbase_sdk.models import FunctionConfig, FunctionStats, FunctionVersion, LogLevel, LogLine, Run
from bunbase_sdk.problem import invalid_value

PAGE: Final = 100
DOTS: Final = frozenset({".", ".."})


class FunctionsCalls:
    """The functions of the project. All methods except `invoke`, `fetch` and `stream` need a personal access token."""

    def __init__(self, transport: Transport, actor: Mapping[str, str]) -> None:
        self._transport = transport
        self._actor = actor

    def invoke(
        self,
        name: str,
        body: object = NOTHING,
        *,
        method: str = "POST",
        path: str = "",
        retries: int = 0,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Flow[Any]:
        """Call a function with a JSON value, and return its answer: JSON, a text, or None for an empty answer.

        Raises a Problem `function_answer` if the status is not 2xx: its `status` is the function's status. The `body`
        of the problem is the function's answer, or `{"answer": …}` if the answer is not a JSON object. A failed call is
        not repeated, because the function may have done its work. With `retries`, the client repeats a failed call with
        an idempotency key: BunBase runs the function once, and repeats the answer.

        ```python
        total = client.functions.invoke("checkout", {"basket": "b1"})["total"]
        ```
        """
        self._transport.credential.check_is_of_program()
        key = idempotency_key or (new_key() if retries else None)
        headers = {**self._actor, **({KEY: key} if key else {})}
        wanted = Wanted(method, _address(name, path), body, headers=headers, repeatable=bool(retries))
        transport = self._transport.with_options(None, retries, {})
        answer = yield from transport.answered(wanted, transport.deadline(timeout))
        is_text = answer.content and not answer.is_json
        return answer.content.decode("utf-8", "replace") if is_text else value_of(answer)

    def fetch(
        self,
        name: str,
        *,
        method: str = "GET",
        path: str = "",
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Flow[FunctionAnswer]:
        """Call a function with any body, and return its answer, whatever its status.

        ```python
        answer = client.functions.fetch("report", path="/2026.pdf")
        print(answer.status, answer.headers["content-type"], len(answer.content))
        ```
        """
        wanted = self._fetched(name, method, path, content, headers)
        within = self._transport.deadline(timeout)
        try:
            answer = yield from self._transport.sent(wanted, within)
        except Broken as broken:
            raise self._transport.unreachable(broken, within) from broken
        return FunctionAnswer(answer.status, answer.headers, answer.content)

    def stream(
        self,
        name: str,
        *,
        method: str = "GET",
        path: str = "",
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Items[bytes]:
        """Call a function, and yield the parts of its answer as they arrive. `timeout`: the timeout for each part.

        Raises a Problem if its status is not 2xx.

        ```python
        for part in client.functions.stream("report", path="/2026.csv"):
            print(len(part))
        ```
        """
        wanted = self._fetched(name, method, path, content, headers)
        within = self._transport.deadline(timeout)
        try:
            answer = yield from self._transport.sent(wanted, within, stream=True)
            if not answer.ok:
                raise problem_in(answer)
            while (part := (yield from read(answer))) is not None:
                yield Emit(part)
        except Broken as broken:
            raise self._transport.unreachable(broken, within) from broken

    def list(self, *, timeout: float | None = None) -> Items[FunctionVersion]:
        """Yield the active version of each function.

        ```python
        for function in client.functions.list():
            print(function["name"], function["version"])
        ```
        """
        return all_listed(self._transport, self._at(), {"limit": PAGE}, timeout, administers=True)

    def get(self, name: str, *, timeout: float | None = None) -> Flow[FunctionVersion]:
        """Return the active version of a function. Raises: NotFound.

        ```python
        hello = client.functions.get("hello")
        ```
        """
        return self._json(Wanted("GET", self._at(name), repeatable=True, administers=True), timeout)

    def deploy(
        self,
        name: str,
        bundle: bytes | str,
        *,
        config: FunctionConfig | None = None,
        source_map: bytes | str | None = None,
        timeout: float | None = None,
    ) -> Flow[FunctionVersion]:
        """Upload a bundle as a new version, and make it the active one. `bunbase deploy` also makes bundles.

        ```python
        version = client.functions.deploy("hello", Path("hello.js").read_bytes(), config={"access": "public"})
        ```
        """
        parts = {"bundle": _bytes(bundle), "config": written(config or {})}
        if source_map is not None:
            parts["source_map"] = _bytes(source_map)
        media, content = _form(parts)
        headers = {"Content-Type": media}
        wanted = Wanted("PUT", self._at(name), content=content, headers=headers, administers=True)
        return self._json(wanted, timeout)

    def rollback(self, name: str, version: int | None = None, *, timeout: float | None = None) -> Flow[FunctionVersion]:
        """Make another version active: the previous version, or the version that you name.

        ```python
        client.functions.rollback("hello", 3)
        ```
        """
        body = {} if version is None else {"version": version}
        return self._json(Wanted("POST", self._at(name, "rollback"), body, administers=True), timeout)

    def delete(self, name: str, *, timeout: float | None = None) -> Flow[None]:
        """Delete a function with its versions. Raises: NotFound.

        ```python
        client.functions.delete("hello")
        ```
        """
        return self._json(Wanted("DELETE", self._at(name), administers=True), timeout)

    def versions(self, name: str, *, timeout: float | None = None) -> Items[FunctionVersion]:
        """Yield the versions of a function, the newest first.

        ```python
        for version in client.functions.versions("hello"):
            print(version["version"], version["active"])
        ```
        """
        return all_listed(self._transport, self._at(name, "versions"), {"limit": PAGE}, timeout, administers=True)

    def bundle(self, name: str, version: int, *, timeout: float | None = None) -> Flow[bytes]:
        """Return the code of a version. Raises: NotFound.

        ```python
        code = client.functions.bundle("hello", 3)
        ```
        """
        where = self._at(name, "versions", str(version), "bundle")
        wanted = Wanted("GET", where, repeatable=True, administers=True)
        answer: Answer = yield from self._transport.answered(wanted, self._transport.deadline(timeout))
        return answer.content

    def runs(
        self, name: str, *, kind: str | None = None, outcome: str | None = None, timeout: float | None = None
    ) -> Items[Run]:
        """Yield the runs of schedules, jobs and changes, the newest first.

        ```python
        for run in client.functions.runs("resize", outcome="error"):
            print(run["started_at"], run["code"])
        ```
        """
        values = {"kind": kind, "outcome": outcome, "limit": PAGE}
        return all_listed(self._transport, self._at(name, "runs"), values, timeout, administers=True)

    def stats(self, name: str, *, hours: int | None = None, timeout: float | None = None) -> Flow[FunctionStats]:
        """Return calls, errors and times of a function, by hour.

        ```python
        stats = client.functions.stats("hello", hours=24)
        ```
        """
        where = self._at(name, "stats") + (f"?hours={hours}" if hours is not None else "")
        return self._json(Wanted("GET", where, repeatable=True, administers=True), timeout)

    def logs(
        self,
        name: str | None = None,
        *,
        follow: bool = False,
        after: int | None = None,
        level: LogLevel | None = None,
        q: str | None = None,
        invocation: str | None = None,
        stop_after: float | None = None,
        timeout: float | None = None,
    ) -> Items[LogLine]:
        """Yield log lines of one function or of all functions, the newest first.

        `follow`: yield new lines as they are written, the oldest first. Each line comes once, even if the connection
        breaks or the server restarts. `after`: begin after the line with this `seq`. `stop_after`: end after this many
        seconds.

        ```python
        for line in client.functions.logs("hello", follow=True, stop_after=60):
            print(line["at"], line["text"])
        ```
        """
        where = self._at(name, "logs") if name else project_path(self._transport, "logs")
        values = {"level": level, "q": q, "invocation": invocation}
        return log_lines(self._transport, where, values, follow, after, stop_after, timeout)

    def _at(self, *parts: str) -> str:
        return project_path(self._transport, "functions", *parts)

    def _json(self, wanted: Wanted, timeout: float | None) -> Flow[Any]:
        return self._transport.json(wanted, self._transport.deadline(timeout))

    def _fetched(
        self, name: str, method: str, path: str, content: bytes | str | None, headers: Mapping[str, str] | None
    ) -> Wanted:
        self._transport.credential.check_is_of_program()
        sent = {**(headers or {}), **self._actor}
        return Wanted(method, _address(name, path), content=None if content is None else _bytes(content), headers=sent)


def _address(name: str, below: str) -> str:
    if "#" in below or not below.isascii() or not below.isprintable() or " " in below:
        raise invalid_value("path", "Escape the path, for example with urllib.parse.quote.")
    # httpx resolves these parts, so they could lead to another function, or to another part of the API
    if not DOTS.isdisjoint(unquote(below.partition("?")[0]).replace("\\", "/").split("/")):
        raise invalid_value("path", "It has a part . or .., which leads elsewhere.")
    return f"/v1/functions{path(name)}{below if below.startswith(('/', '?')) or not below else f'/{below}'}"


def _bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _form(parts: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Return the media type and the body of a form (RFC 7578)."""
    boundary = secrets.token_hex(16)
    body = b""
    for name, content in parts.items():
        filename = "" if name == "config" else f'; filename="{name}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()
