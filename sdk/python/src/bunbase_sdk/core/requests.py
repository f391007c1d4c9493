"""Reads and writes of documents.

Every write has an idempotency key, so that a retry takes effect once. Every read sends the mark of the client's newest
write, so that the answer contains this write, whichever process answers.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from bunbase_sdk.core.answers import value_of
from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.flow import Flow, Sleep
from bunbase_sdk.core.marks import epoch_of
from bunbase_sdk.core.transport import Transport, Wanted
from bunbase_sdk.problem import Problem

T = TypeVar("T")
KEY: Final = "Idempotency-Key"
FIRST_PAUSE_SECONDS: Final = 0.02


class DataRequests:
    """`actor`: the headers with the user for whom the requests act."""

    def __init__(self, transport: Transport, actor: Mapping[str, str]) -> None:
        self.transport = transport
        self.actor = actor

    def read(self, wanted: Wanted, within: Deadline) -> Flow[Any]:
        marks = self.transport.marks
        asked = marks.newest
        headers = {**wanted.headers, **({"X-Bunbase-At-Least": asked} if asked else {})}
        try:
            return (yield from self._sent(replace(wanted, headers=headers, repeatable=True), within))
        except Problem as problem:
            if problem.code != "not_yet":
                raise
            marks.note(problem.body.get("seq"))
            # a backup was restored, so the client's newest write no longer exists, and the client forgets its mark
            if epoch_of(marks.newest) == epoch_of(asked):
                raise
        return (yield from self.read(wanted, within))

    def write(self, wanted: Wanted, idempotency_key: str | None, within: Deadline) -> Flow[Any]:
        headers = {**wanted.headers, KEY: idempotency_key or new_key()}
        return (yield from self._sent(replace(wanted, headers=headers, repeatable=True), within))

    def _sent(self, wanted: Wanted, within: Deadline) -> Flow[Any]:
        answer = yield from self.transport.answered(replace(wanted, headers={**wanted.headers, **self.actor}), within)
        return value_of(answer)


def new_key() -> str:
    """Return an idempotency key that nobody can guess."""
    return secrets.token_hex(16)


def again(attempts: int, within: Deadline, work: Callable[[], Flow[T]]) -> Flow[T]:
    """Run `work` until no other change conflicts with its write: at most `attempts` times, within the deadline."""
    for attempt in range(1, attempts):
        try:
            return (yield from work())
        except Problem as problem:
            if problem.code != "stale_revision":
                raise
        pause = FIRST_PAUSE_SECONDS * 2**attempt * random.random()  # noqa: S311 - the number is no secret
        yield Sleep(min(pause, within.left()))
    return (yield from work())
