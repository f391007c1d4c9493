"""Messages are JSON that all clients read in the same way, and their keys are separate for each visitor."""

from __future__ import annotations

import pytest

from bunbase.buncast.publishing import checked_json
from bunbase.contracts.buncast import ChannelRules, ChannelSpec, History, Join, NewMessage
from bunbase.contracts.caller import Caller, CallerKind, EndUser
from bunbase.pkg.errors import InvalidInput
from tests.buncast.model import ModelEdge
from tests.buncast.rooms import PROJECT, SECRET, opened_buncast
from tests.rooms import publishable_caller

SHORT = "!has(message.text) || size(message.text) <= 5"
SPEC = {"short/{x}": ChannelSpec(ChannelRules("true", SHORT, "true"), History(10, 60), presence=True)}
TWICE = (
    b'{"text":"a long text that the rule forbids","text":"ok"}',
    b'{"text":"a long text","te\\u0078t":"ok"}',
    b'[{"a":{"b":1,"c":2,"b":1}}]',
    b'{"":1,"":2}',
)


@pytest.mark.parametrize("data", TWICE)
async def test_a_message_with_a_member_twice_is_refused(data: bytes) -> None:
    user = publishable_caller(PROJECT, EndUser("ada", None, "user", {}, "ses_ada"))
    async with opened_buncast(SPEC) as service:
        edge = ModelEdge(service, "edge")
        await edge.opened.wait()
        await edge.join(SECRET, 1, Join("short/a"))

        with pytest.raises(InvalidInput, match="twice"):
            await service.publish(user, (NewMessage("short/a", data),))
        with pytest.raises(InvalidInput, match="twice"):
            await service.join(user, "edge", 2, Join("short/a", presence=data))
        with pytest.raises(InvalidInput, match="twice"):
            await service.set_presence(SECRET, "edge", 1, data)
        await edge.stop()


@pytest.mark.parametrize(
    "data",
    [b'{"a":1.0,"b":[1e2,{"a":1}]}', b'{"a":"\\u00e9\\/","b":{"a":1}}', b"12345678901234567890123", b'"a:b,a:b"'],
)
def test_numbers_and_texts_stay_as_they_were_written(data: bytes) -> None:
    assert checked_json(data.replace(b",", b" ,\n") if b'"a:b' not in data else data, 100, "") == data


async def test_a_visitor_cannot_suppress_a_message_of_another_visitor_by_a_key_that_is_easy_to_guess() -> None:
    async with opened_buncast(SPEC) as service:
        visitor = Caller(CallerKind.PUBLISHABLE, project=PROJECT, ip="192.0.2.1")
        with pytest.raises(InvalidInput, match="random"):
            await service.publish(visitor, (NewMessage("short/a", b"1"), NewMessage("short/a", b"1", "q")))

        random = (NewMessage("short/a", b'{"text":"a"}', "3141592653589793"),)
        first = await service.publish(visitor, random)
        moved = Caller(CallerKind.PUBLISHABLE, project=PROJECT, ip="198.51.100.7")
        assert await service.publish(moved, random) == first  # The phone has moved to another network.
        user = publishable_caller(PROJECT, EndUser("ada", None, "user", {}, "ses_ada"))
        await service.publish(user, (NewMessage("short/a", b'{"text":"a"}', "q"),))
