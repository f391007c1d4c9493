"""Readiness: each dependency, by name, asked whether it can be used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bunbase.pkg.errors import Problem

CHECK_SECONDS = 3.0

Check = Callable[[], Awaitable[Any]]


class Readiness:
    """A check raises where something cannot be used; it may give a text that says how it can."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self.checks = dict(checks)

    async def report(self) -> tuple[dict[str, Any], bool]:
        """Give `{"status", "checks": {name: {"status", "detail"?}}}` and whether all is well."""
        answers = await asyncio.gather(*(_ask(check) for check in self.checks.values()))
        good = all(answer["status"] == "ok" for answer in answers)
        checks = dict(zip(self.checks, answers, strict=True))
        return {"status": "ok" if good else "unavailable", "checks": checks}, good


async def _ask(check: Check) -> dict[str, str]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            told = await check()
    except Problem as problem:
        return {"status": "unavailable", "detail": problem.detail}
    except TimeoutError:
        return {"status": "unavailable", "detail": f"no answer within {CHECK_SECONDS:g} s"}
    except Exception as error:
        return {"status": "unavailable", "detail": type(error).__name__}
    return {"status": "ok", "detail": told} if isinstance(told, str) else {"status": "ok"}
