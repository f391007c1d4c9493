"""Begin a coroutine here and now. Most reads are over before the first wait: they need no task of their own."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Waiting(Exception):
    """The coroutine waits for something; `rest` is the awaitable that goes on with it, in a task."""

    def __init__(self, rest: Coroutine[Any, Any, Any]) -> None:
        super().__init__()
        self.rest = rest


def begin(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the coroutine's result, or raise its exception. Raises: Waiting when it is not over yet.

    Until its first wait the coroutine runs outside of any task, so it must not ask for the current one.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration as over:
        result: T = over.value
        return result
    raise Waiting(_rest(coroutine, awaited))


async def _rest(coroutine: Coroutine[Any, Any, T], awaited: Any) -> T:
    return await _going_on(coroutine, awaited)


@types.coroutine
def _going_on(coroutine: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Hand on to the task what the coroutine waits for, beginning with what it was found waiting for."""
    try:
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                awaited = coroutine.throw(error)
            else:
                awaited = coroutine.send(sent)
    except StopIteration as over:
        result: T = over.value
        return result
