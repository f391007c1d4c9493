"""Readiness checks: one for each dependency of a process. Each check runs at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from time import monotonic
from typing import Any

from bunbase.pkg.errors import Problem

OWN_SECONDS = 2.0
OTHERS_SECONDS = 3.0  # This is longer than OWN_SECONDS, so that another process can report an unreachable PostgreSQL.
SHARED_SECONDS = 1.0  # An answer is used again for this long.

Check = Callable[[], Awaitable[Any]]
Answer = dict[str, str]


class Readiness:
    """The readiness checks of a process. A check raises if its dependency is unavailable, and may return details.

    `own`: the checks of this process. `others`: one check for each room in another process. Such a check asks the other
    process only for the other's own checks, because two processes that call each other would otherwise send each other
    checks without end.
    """

    def __init__(
        self, own: Mapping[str, Check], others: Mapping[str, Check] | None = None, now: Callable[[], float] = monotonic
    ) -> None:
        self.own = SharedChecks(own, OWN_SECONDS, now)
        self.others = SharedChecks(others or {}, OTHERS_SECONDS, now)

    async def report(self, details: bool = True) -> tuple[dict[str, Any], bool]:
        """Return `{"status", "checks": {name: {"status", "detail"?}}}`, and True if all checks have passed.

        `details`: true to include details and the reasons of failures. Do not publish details, because they contain
        addresses.
        """
        own, others = await asyncio.gather(self.own.answers(), self.others.answers())
        return _report({**own, **others}, details)

    async def own_report(self) -> tuple[dict[str, Any], bool]:
        """Return the same report as `report`, with details, but only for the checks of this process."""
        return _report(await self.own.answers(), details=True)


class SharedChecks:
    """Runs its checks at most once a second, even if there are many callers.

    Callers within that second share the answers, so many probes at once need only one connection to PostgreSQL.
    """

    def __init__(self, checks: Mapping[str, Check], seconds: float, now: Callable[[], float]) -> None:
        self.checks = dict(checks)
        self.seconds = seconds
        self.now = now
        self._asking: asyncio.Task[dict[str, Answer]] | None = None
        self._answered_at = 0.0

    async def answers(self) -> dict[str, Answer]:
        asking = self._asking
        if asking is None or (asking.done() and self.now() - self._answered_at >= SHARED_SECONDS):
            # The task has its own context, and a shield: it must continue if the request that started it ends, because
            # other requests wait for the same answers.
            asking = self._asking = asyncio.create_task(self._ask_all(), context=Context())
        return await asyncio.shield(asking)

    async def _ask_all(self) -> dict[str, Answer]:
        answers = await asyncio.gather(*(_ask(check, self.seconds) for check in self.checks.values()))
        self._answered_at = self.now()
        return dict(zip(self.checks, answers, strict=True))


def _report(answers: dict[str, Answer], details: bool) -> tuple[dict[str, Any], bool]:
    good = all(answer["status"] == "ok" for answer in answers.values())
    if not details:
        answers = {name: {"status": answer["status"]} for name, answer in answers.items()}
    return {"status": "ok" if good else "unavailable", "checks": answers}, good


async def _ask(check: Check, seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds):
            told = await check()
    except Problem as problem:
        return {"status": "unavailable", "detail": problem.detail}
    except TimeoutError:
        return {"status": "unavailable", "detail": f"no answer within {seconds:g} s"}
    except Exception as error:
        return {"status": "unavailable", "detail": type(error).__name__}
    return {"status": "ok", "detail": told} if isinstance(told, str) else {"status": "ok"}
