"""`bunbase channels tail` extracts the messages of a channel from the messages of a live connection."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from bunbase.buncast.definitions import UNDEFINED, Definitions
from bunbase.cli.channel_messages import ChannelMessage, FollowedChannel, matches
from bunbase.cli.errors import Refused, Unreachable
from bunbase.contracts.buncast import ChannelSpec


def taken(channel: FollowedChannel, *messages: Mapping[str, object]) -> list[tuple[bytes, bool]]:
    """Return `data` and `lost` of all messages."""
    read = [msgspec.json.decode(msgspec.json.encode(one), type=ChannelMessage) for one in messages]
    return [(bytes(heard.data), heard.lost) for one in read for heard in channel.take(one)]


def carried(offset: int) -> dict[str, object]:
    return {"offset": offset, "from": "usr_1", "at": "2026-12-01T10:00:00.000Z", "data": offset}


def joined(offset: int, *messages: int, **more: object) -> dict[str, object]:
    head = {"t": "joined", "id": 1, "c": "c1", "epoch": "e", "offset": offset}
    return head | {"messages": [carried(one) for one in messages]} | more


def message(offset: int) -> dict[str, object]:
    return {"t": "msg", "c": "c1"} | carried(offset)


def test_messages_are_shown_once_in_order_and_after_a_gap() -> None:
    channel = FollowedChannel("rooms/7", start=True)
    assert channel.body()["send"][0]["since"] == "start"

    assert taken(channel, {"t": "hello", "conn": "c"}, joined(2, 1, 2), message(2), message(3)) == [
        (b"1", False),
        (b"2", False),
        (b"3", False),
    ]
    with pytest.raises(Unreachable):
        taken(channel, message(5))
    assert channel.body()["send"][0]["since"] == {"epoch": "e", "offset": 3}
    assert taken(channel, joined(5, 5, lost=True)) == [(b"5", True)]
    assert taken(channel, joined(7, lost=True)) == [(b"null", True)]


def test_a_refusal_and_the_end_of_a_server_are_told_apart() -> None:
    channel = FollowedChannel("rooms/7", start=False)

    with pytest.raises(Refused):
        taken(channel, {"t": "error", "id": 1, "problem": {"code": "rule_denied", "status": 403}})
    with pytest.raises(Unreachable):
        taken(channel, {"t": "bye", "code": "restart"})


@pytest.mark.parametrize(
    ("pattern", "channel", "does"),
    [
        ("rooms/{room}", "rooms/7", True),
        ("rooms/{room}", "roms/7", False),
        ("rooms/{room}", "rooms/", False),
        ("rooms/{room}", "rooms/7/8", False),
        ("silent", "silent", True),
        ("{a}/{b}", "x/y", True),
    ],
)
def test_a_pattern_matches_as_on_the_server(pattern: str, channel: str, does: bool) -> None:
    kind, _ = Definitions({pattern: ChannelSpec()}).of(channel)

    assert matches(pattern, channel) == (kind is not UNDEFINED) == does
