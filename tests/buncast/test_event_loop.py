"""No turn of the event loop exceeds its limit, whatever callers publish, and however many channels they have made.

The tests count bytes and calls, never seconds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import pytest

from bunbase.buncast.service import BuncastService
from bunbase.contracts.buncast import ChannelRules, Channels, ChannelSpec, History, Join, NewMessage
from bunbase.contracts.caller import EndUser
from bunbase.pkg.errors import Problem
from tests.buncast.model import ModelEdge
from tests.buncast.rooms import PROJECT, SECRET, opened_buncast
from tests.metered_loop import MeteredLoop
from tests.rooms import publishable_caller

# One turn reads at most this many bytes of JSON, or does work that takes the same time: usually a few ms, at most 25
# ms.
MOST_BYTES: Final = 512 << 10
# One turn makes at most this many calls of Python and C functions, which take at most 10 ms.
MOST_CALLS: Final = 20_000
MANY: Final = 2000  # There are this many channels or subscriptions.

VISITOR: Final = publishable_caller(PROJECT, EndUser("ada", None, "user", {"numbers": list(range(1000))}, "ses_ada"))
CLAIMS: Final = "auth.claims.numbers.all(n, n >= 0 && n < 1000000)"
CHANNELS: Final = {
    "loop/{x}": ChannelSpec(ChannelRules(publish="message.items.all(i, i.n >= 0 && i.n < 1000000)")),
    "open/{x}": ChannelSpec(ChannelRules("true", "true"), History(1, 3600)),
    "timed/{x}": ChannelSpec(ChannelRules(f"now > timestamp('2020-01-01T00:00:00Z') && {CLAIMS}", "true")),
}
ITEMS: Final = json.dumps({"items": [{"n": n % 10} for n in range(1000)]}).encode()
NESTED: Final = json.dumps({"a": [[0]] * 6000}).encode()


def messages(channel: str, data: bytes, count: int) -> tuple[NewMessage, ...]:
    return tuple([NewMessage(f"{channel}/{number}", data) for number in range(count)])


@asynccontextmanager
async def many_channels(service: BuncastService) -> AsyncIterator[ModelEdge]:
    """Make channels as visitors do. A secret key has joined each of them."""
    edge = ModelEdge(service, "edge")
    await edge.opened.wait()
    for number in range(MANY):
        await service.join(SECRET, "edge", number, Join(f"open/{number}"))
        await asyncio.sleep(0)
    try:
        yield edge
    finally:
        await edge.stop()
        while service.tasks:
            await asyncio.sleep(0)


async def publish_with_dear_rules(service: BuncastService) -> None:
    await service.publish(VISITOR, messages("loop", ITEMS, 100))


async def publish_long_messages(service: BuncastService) -> None:
    await service.publish(VISITOR, messages("open", NESTED, 60))


async def decide_dear_rules_again(service: BuncastService) -> None:
    edge = ModelEdge(service, "edge")
    await edge.opened.wait()
    for number in range(100):
        await service.join(VISITOR, "edge", number, Join(f"timed/{number}"))
    await service.decide_timed()
    await service.projects[PROJECT].settled()
    await edge.stop()


async def redefine_many_channels(service: BuncastService) -> None:
    async with many_channels(service):
        await service.put_channels(SECRET, Channels(CHANNELS))


async def end_the_stream_of_many(service: BuncastService) -> None:
    async with many_channels(service):
        pass


async def delete_a_project_with_many_channels(service: BuncastService) -> None:
    async with many_channels(service):
        await service.drop_project(PROJECT)


async def compile_long_rules(service: BuncastService) -> None:
    rule = " && ".join(["auth != null"] * 60)
    specs = {f"p{number}/{{x}}": ChannelSpec(ChannelRules(rule, rule, rule)) for number in range(20)}
    await service.put_channels(SECRET, Channels(specs))


ATTACKS: Final[tuple[Callable[[BuncastService], Awaitable[None]], ...]] = (
    publish_with_dear_rules,
    publish_long_messages,
    decide_dear_rules_again,
    redefine_many_channels,
    end_the_stream_of_many,
    delete_a_project_with_many_channels,
    compile_long_rules,
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_call_holds_the_event_loop(attack: Callable[[BuncastService], Awaitable[None]]) -> None:
    async def attempt() -> None:
        async with opened_buncast(CHANNELS) as service:

            async def attempted() -> None:
                with suppress(Problem):
                    await attack(service)

            await loop.watched(attempted())

    with asyncio.Runner(loop_factory=MeteredLoop) as runner:
        loop: Any = runner.get_loop()
        runner.run(attempt())

    assert loop.longest_bytes <= MOST_BYTES
    assert loop.longest_calls <= MOST_CALLS
