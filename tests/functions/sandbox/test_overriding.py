"""A bundle and the runtime share one realm. Methods that a bundle overrides must not receive the runtime's objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER, call, request

OVERRIDING = Path(__file__).with_name("overriding.cjs").read_bytes()


async def test_methods_that_a_bundle_overrides_receive_nothing_from_the_runtime(functions: FunctionsService) -> None:
    """A bundle overrides Array.prototype.push and every other method of the engine."""
    await functions.deploy(MEMBER, "spy", Bundle(OVERRIDING, None, FunctionConfig(concurrency=1)))

    answers = [await call(functions, "spy", request("/work", "POST", b"x" * size)) for size in (10, 60_000)]
    seen: dict[str, Any] = (await call(functions, "spy", request("/caught"))).json
    control: dict[str, Any] = (await call(functions, "spy", request("/control"))).json

    assert [answer.body for answer in answers] == [b"read 10", b"read 60000"]
    assert seen == {}
    assert control["Array.prototype.push"] == "a frame"
