"""A client of a channel processes the server's messages."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase_sdk import Problem
from bunbase_sdk.core.held_channel import HeldChannel
from bunbase_sdk.core.live_stream import Reconnect


def joined(offset: int, *messages: int, epoch: str = "e", **more: Any) -> dict[str, Any]:
    head = {"t": "joined", "id": 1, "c": "c1", "epoch": epoch, "offset": offset}
    return head | {"messages": [carried(one) for one in messages]} | more


def carried(offset: int) -> dict[str, Any]:
    return {"offset": offset, "from": None, "at": "2026-12-01T10:00:00.000Z", "data": offset}


def message(offset: int, c: str = "c1") -> dict[str, Any]:
    return {"t": "msg", "c": c} | carried(offset)


def heard(held: HeldChannel, *messages: dict[str, Any]) -> list[tuple[Any, bool]]:
    return [(one.data, one.lost) for each in messages for one in held.heard(each) or ()]


def test_messages_are_told_once_and_a_gap_is_closed_by_joining_again() -> None:
    held = HeldChannel("rooms/7", None, None)
    assert held.body() == {"send": [{"t": "join", "id": 1, "channel": "rooms/7"}]}

    begun = heard(held, {"t": "hello", "conn": "k"}, joined(4), message(5), message(5), message(6, "c2"))
    with pytest.raises(Reconnect):
        held.heard(message(7))
    again = held.body()
    mended = heard(held, joined(7, 5, 6, 7), message(8))

    assert begun == [(5, False)]
    join = {"t": "join", "id": 1, "channel": "rooms/7", "since": {"epoch": "e", "offset": 5}}
    assert again == {"send": [join], "resume": "k"}
    assert mended == [(6, False), (7, False), (8, False)]


def test_lost_messages_are_told_with_the_next_one() -> None:
    held = HeldChannel("rooms/7", None, None)
    heard(held, joined(4))

    assert heard(held, joined(9, 8, 9, lost=True)) == [(8, True), (9, False)]
    assert heard(held, joined(2, epoch="other", lost=True)) == []
    assert heard(held, joined(2, epoch="other"), message(3), message(4)) == [(3, True), (4, False)]


def test_members_are_told_if_they_have_changed_and_as_a_number_above_500() -> None:
    held = HeldChannel("rooms/7", None, {"name": "Ada"})
    ada, eve = ({"m": name, "uid": None, "data": name} for name in ("ada", "eve"))

    def seen(**changes: Any) -> list[tuple[list[str], int]]:
        told = held.seen({"t": "members", "c": "c1"} | changes) or ()
        return [([one.data for one in members.items], members.count) for members in told]

    held.seen(joined(0, members=[ada], n=1))
    assert seen(enter=[ada], n=1) == []
    assert seen(enter=[eve], n=2) == [(["ada", "eve"], 2)]
    assert seen(update=[eve | {"data": "Eve"}], n=2) == [(["ada", "Eve"], 2)]
    assert seen(n=501) == [([], 501)]
    assert seen(n=502) == [([], 502)]
    assert seen(members=[eve], n=1) == [(["eve"], 1)]
    assert seen(leave=["eve", "nobody"], n=0) == [([], 0)]


def test_a_presence_is_sent_on_the_open_connection_and_else_with_the_next_join() -> None:
    held = HeldChannel("rooms/7", None, 1)
    told = {"send": [{"t": "presence", "id": 2, "channel": "rooms/7", "data": 2}]}
    held.body()
    assert held.present(1.5) is None  # The join is on its way with another value.
    heard(held, {"t": "hello", "conn": "k"})
    with pytest.raises(Reconnect):
        held.heard(joined(4))
    assert held.body()["send"] == [{"t": "join", "id": 1, "channel": "rooms/7", "presence": 1.5}]

    heard(held, {"t": "hello", "conn": "l"}, joined(4))
    assert held.present(2) == ("l", told)
    heard(held, {"t": "ok", "id": 2}, {"t": "ping"})
    held.forget_sent()  # The server did not know the connection.
    with pytest.raises(Reconnect):
        held.heard({"t": "ping"})

    assert held.present(3) is None
    assert dict(held.body()["send"][0])["presence"] == 3  # type: ignore[index]  # a list of messages
    assert held.present(None) is None
    assert "presence" not in held.body()["send"][0]  # type: ignore[index]


def test_an_end_is_a_problem_or_begins_again() -> None:
    held = HeldChannel("rooms/7", None, None)

    with pytest.raises(Problem, match="rule_denied"):
        held.heard({"t": "end", "id": 1, "problem": {"code": "rule_denied", "status": 403}})
    with pytest.raises(Reconnect):
        held.heard({"t": "end", "id": 1, "problem": {"code": "unreachable", "status": 503}})
