"""The program that a worker loads for its deployment: code, variables, and the host, which answers its asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from bunbase.functions.workers.asks import Host
from bunbase.functions.workers.deployment import Deployment


class Program(msgspec.Struct, frozen=True):
    """The content of one worker.

    `env`: the variables that the function sees. `host`: the object that answers the function's asks; None for a bundle
    that is only tried. `bytecode`: the bytecode that an earlier worker has compiled from exactly this code, or empty.
    """

    code: bytes
    env: Mapping[str, str]
    host: Host | None = None
    bytecode: bytes = b""


Load = Callable[[Deployment], Awaitable[Program]]
