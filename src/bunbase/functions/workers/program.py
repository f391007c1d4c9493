"""What a worker loads, and who answers it while it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from bunbase.functions.workers.asks import Host
from bunbase.functions.workers.deployment import Deployment


class Program(msgspec.Struct, frozen=True):
    """The bundle of a deployment with its variables.

    `host`: answers the worker's host calls; None while a bundle is only tried. `bytecode`: the code as a worker has
    compiled it earlier; empty if there is none.
    """

    code: bytes
    env: Mapping[str, str]
    host: Host | None = None
    bytecode: bytes = b""


Fetch = Callable[[Deployment], Awaitable[Program]]
