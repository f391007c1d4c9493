"""Run the first step of a coroutine without a task. Most reads never wait, so they finish in this step."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Suspended(Exception):
    """The coroutine waits for something. `rest`: a coroutine that continues it inside a task."""

    def __init__(self, rest: Coroutine[Any, Any, Any]) -> None:
        super().__init__()
        self.rest = rest


def begin(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the coroutine's result, or raise its exception. Raises: Suspended if it waits for something.

    Until its first wait the coroutine runs outside of any task, so it must not call `asyncio.current_task`.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration as over:
        result: T = over.value
        return result
    raise Suspended(_rest(coroutine, awaited))


async def _rest(coroutine: Coroutine[Any, Any, T], awaited: Any) -> T:
    return await _going_on(coroutine, awaited)


@types.coroutine
def _going_on(coroutine: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Yield to the task all futures that the coroutine waits for. `awaited`: the first of these futures."""
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
