"""A process that kills itself with SIGKILL before a chosen step of its work with PostgreSQL.

The process is a fork of the test. The steps are the statements of a room, BEGIN and COMMIT, and the calls that the act
counts itself. Work that the act has not committed before this step is lost, in the same way as in a killed server.
"""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from asyncpg.transaction import Transaction

from bunbase.pkg.db.database import Database


class Fuse:
    """Kills this process before its step `number`. The first step is 1, and the count begins with `light`."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps = 0

    def light(self) -> None:
        for owner, name in ((Database, "_connection"), (Transaction, "start"), (Transaction, "commit")):
            self._burn_before(owner, name)

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.number:
            os.kill(os.getpid(), signal.SIGKILL)

    def _burn_before(self, owner: type, name: str) -> None:
        original = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.step()
            return original(*args, **kwargs)

        setattr(owner, name, counted)


async def killed_before(number: int, act: Callable[[Fuse], Coroutine[Any, Any, None]]) -> bool:
    """Run `act` in a child process that kills itself before this step.

    Return False if `act` has finished before the step.
    """
    child = os.fork()
    if child == 0:
        _run(Fuse(number), act)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the act has failed; its traceback is on stderr"
    return False


def _run(fuse: Fuse, act: Callable[[Fuse], Coroutine[Any, Any, None]]) -> None:
    """Run the act in the forked process, and end it without the clean-up that belongs to the parent."""
    code = 1
    try:
        asyncio.run(act(fuse))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
