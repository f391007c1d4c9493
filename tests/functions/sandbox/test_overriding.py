"""A bundle shares the realm with the runtime: what it overrides must not be handed what is the runtime's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER, call, request

OVERRIDING = Path(__file__).with_name("overriding.cjs").read_bytes()


async def test_what_a_bundle_overrides_yields_nothing_of_the_runtime(functions: FunctionsService) -> None:
    """Security 12: overriding Array.prototype.push and every other method of the engine."""
    await functions.deploy(MEMBER, "spy", Bundle(OVERRIDING, None, FunctionConfig(concurrency=1)))

    answers = [await call(functions, "spy", request("/work", "POST", b"x" * size)) for size in (10, 60_000)]
    seen: dict[str, Any] = (await call(functions, "spy", request("/caught"))).json
    control: dict[str, Any] = (await call(functions, "spy", request("/control"))).json

    assert [answer.body for answer in answers] == [b"read 10", b"read 60000"]
    assert seen == {}
    assert control["Array.prototype.push"] == "a frame"
