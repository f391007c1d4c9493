"""The functions of the project: calls, and deployments.

Written by `make gen` from core/functions.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from bunbase_sdk.aio.driver import AsyncDriver
from bunbase_sdk.core import functions as core
from bunbase_sdk.core.transport import NOTHING
from bunbase_sdk.function_answer import FunctionAnswer
from bunbase_sdk.models import FunctionConfig, FunctionStats, FunctionVersion, LogLevel, LogLine, Run


class AsyncFunctions:
    """The functions of the project. All methods except `invoke`, `fetch` and `stream` need a personal access token."""

    def __init__(self, calls: core.FunctionsCalls, driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    async def invoke(
        self,
        name: str,
        body: object = NOTHING,
        *,
        method: str = "POST",
        path: str = "",
        retries: int = 0,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Call a function with a JSON value, and return its answer: JSON, a text, or None for an empty answer.

        Raises a Problem `function_answer` if the status is not 2xx: its `status` is the function's status. The `body`
        of the problem is the function's answer, or `{"answer": …}` if the answer is not a JSON object. A failed call is
        not repeated, because the function may have done its work. With `retries`, the client repeats a failed call with
        an idempotency key: BunBase runs the function once, and repeats the answer.

        ```python
        total = (await client.functions.invoke("checkout", {"basket": "b1"}))["total"]
        ```
        """
        return await self._driver.run(
            self._calls.invoke(
                name, body, method=method, path=path, retries=retries, idempotency_key=idempotency_key, timeout=timeout
            )
        )

    async def fetch(
        self,
        name: str,
        *,
        method: str = "GET",
        path: str = "",
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> FunctionAnswer:
        """Call a function with any body, and return its answer, whatever its status.

        ```python
        answer = await client.functions.fetch("report", path="/2026.pdf")
        print(answer.status, answer.headers["content-type"], len(answer.content))
        ```
        """
        return await self._driver.run(
            self._calls.fetch(name, method=method, path=path, content=content, headers=headers, timeout=timeout)
        )

    def stream(
        self,
        name: str,
        *,
        method: str = "GET",
        path: str = "",
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Call a function, and yield the parts of its answer as they arrive. `timeout`: the timeout for each part.

        Raises a Problem if its status is not 2xx.

        ```python
        async for part in client.functions.stream("report", path="/2026.csv"):
            print(len(part))
        ```
        """
        return self._driver.items(
            self._calls.stream(name, method=method, path=path, content=content, headers=headers, timeout=timeout)
        )

    def list(self, *, timeout: float | None = None) -> AsyncGenerator[FunctionVersion, None]:
        """Yield the active version of each function.

        ```python
        async for function in client.functions.list():
            print(function["name"], function["version"])
        ```
        """
        return self._driver.items(self._calls.list(timeout=timeout))

    async def get(self, name: str, *, timeout: float | None = None) -> FunctionVersion:
        """Return the active version of a function. Raises: NotFound.

        ```python
        hello = await client.functions.get("hello")
        ```
        """
        return await self._driver.run(self._calls.get(name, timeout=timeout))

    async def deploy(
        self,
        name: str,
        bundle: bytes | str,
        *,
        config: FunctionConfig | None = None,
        source_map: bytes | str | None = None,
        timeout: float | None = None,
    ) -> FunctionVersion:
        """Upload a bundle as a new version, and make it the active one. `bunbase deploy` also makes bundles.

        ```python
        version = await client.functions.deploy("hello", Path("hello.js").read_bytes(), config={"access": "public"})
        ```
        """
        return await self._driver.run(
            self._calls.deploy(name, bundle, config=config, source_map=source_map, timeout=timeout)
        )

    async def rollback(self, name: str, version: int | None = None, *, timeout: float | None = None) -> FunctionVersion:
        """Make another version active: the previous version, or the version that you name.

        ```python
        await client.functions.rollback("hello", 3)
        ```
        """
        return await self._driver.run(self._calls.rollback(name, version, timeout=timeout))

    async def delete(self, name: str, *, timeout: float | None = None) -> None:
        """Delete a function with its versions. Raises: NotFound.

        ```python
        await client.functions.delete("hello")
        ```
        """
        await self._driver.run(self._calls.delete(name, timeout=timeout))

    def versions(self, name: str, *, timeout: float | None = None) -> AsyncGenerator[FunctionVersion, None]:
        """Yield the versions of a function, the newest first.

        ```python
        async for version in client.functions.versions("hello"):
            print(version["version"], version["active"])
        ```
        """
        return self._driver.items(self._calls.versions(name, timeout=timeout))

    async def bundle(self, name: str, version: int, *, timeout: float | None = None) -> bytes:
        """Return the code of a version. Raises: NotFound.

        ```python
        code = await client.functions.bundle("hello", 3)
        ```
        """
        return await self._driver.run(self._calls.bundle(name, version, timeout=timeout))

    def runs(
        self, name: str, *, kind: str | None = None, outcome: str | None = None, timeout: float | None = None
    ) -> AsyncGenerator[Run, None]:
        """Yield the runs of schedules, jobs and changes, the newest first.

        ```python
        async for run in client.functions.runs("resize", outcome="error"):
            print(run["started_at"], run["code"])
        ```
        """
        return self._driver.items(self._calls.runs(name, kind=kind, outcome=outcome, timeout=timeout))

    async def stats(self, name: str, *, hours: int | None = None, timeout: float | None = None) -> FunctionStats:
        """Return calls, errors and times of a function, by hour.

        ```python
        stats = await client.functions.stats("hello", hours=24)
        ```
        """
        return await self._driver.run(self._calls.stats(name, hours=hours, timeout=timeout))

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
    ) -> AsyncGenerator[LogLine, None]:
        """Yield log lines of one function or of all functions, the newest first.

        `follow`: yield new lines as they are written, the oldest first. Each line comes once, even if the connection
        breaks or the server restarts. `after`: begin after the line with this `seq`. `stop_after`: end after this many
        seconds.

        ```python
        async for line in client.functions.logs("hello", follow=True, stop_after=60):
            print(line["at"], line["text"])
        ```
        """
        return self._driver.items(
            self._calls.logs(
                name,
                follow=follow,
                after=after,
                level=level,
                q=q,
                invocation=invocation,
                stop_after=stop_after,
                timeout=timeout,
            )
        )
