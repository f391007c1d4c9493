from __future__ import annotations

import pytest

from bunbase.buncast.definitions import UNDEFINED, Definitions
from bunbase.contracts.buncast import MAX_PATTERNS, ChannelRules, ChannelSpec, InvalidChannel
from bunbase.pkg.rules.refusal import InvalidRule

SPEC = ChannelSpec()


@pytest.mark.parametrize(
    ("name", "pattern", "params"),
    [
        ("rooms/7", "rooms/{room}", {"room": "7"}),
        ("rooms/lobby", "rooms/lobby", {}),
        ("rooms/7/typing", "rooms/{room}/typing", {"room": "7"}),
        ("rooms/7/calls", "rooms/{room}/{topic}", {"room": "7", "topic": "calls"}),
        ("halls/7/typing", "{kind}/{id}/typing", {"kind": "halls", "id": "7"}),
        ("rooms/", "", {}),
        ("rooms", "", {}),
        ("Rooms/7", "", {}),
        ("rooms/7/a/b", "", {}),
    ],
)
def test_the_most_literal_pattern_wins(name: str, pattern: str, params: dict[str, str]) -> None:
    sources = ("{kind}/{id}/typing", "rooms/{room}/{topic}", "rooms/{room}", "rooms/lobby", "rooms/{room}/typing")
    definitions = Definitions(dict.fromkeys(sources, SPEC))

    kind, found = definitions.of(name)

    assert (kind.pattern.source, found) == (pattern, params)
    assert (kind is UNDEFINED) == (pattern == "")


@pytest.mark.parametrize(
    "sources",
    [
        ("",),
        ("a/{b}c",),
        ("a/{1}",),
        ("a/{b}/{b}",),
        ("a/{b}", "a/{c}"),
        ("a\x00",),
        ("ä" * 101,),
        tuple(f"p{n}" for n in range(MAX_PATTERNS + 1)),
    ],
)
def test_patterns_that_mean_nothing_are_refused(sources: tuple[str, ...]) -> None:
    with pytest.raises(InvalidChannel):
        Definitions(dict.fromkeys(sources, SPEC))


@pytest.mark.parametrize(
    ("act", "rule"),
    [
        ("subscribe", "message == 1"),
        ("subscribe", "doc.owner == auth.uid"),
        ("publish", "params.hall == '1'"),
        ("publish", "channel"),
        ("presence", "request.op == 'list'"),
        ("presence", ""),
    ],
)
def test_a_rule_that_can_never_work_is_refused_with_its_place(act: str, rule: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        Definitions({"rooms/{room}": ChannelSpec(ChannelRules(**{act: rule}))})

    assert (refused.value.extra["pattern"], refused.value.extra["rule"]) == ("rooms/{room}", act)
    assert refused.value.detail.startswith(f"rooms/{{room}}, rule {act}: Line 1")


def test_rules_of_channels_may_read_any_field_of_a_message() -> None:
    Definitions(
        {
            "{a}": ChannelSpec(
                ChannelRules(publish="message._x.y[0] > 1 && channel.startsWith('b') && params.a != auth.uid")
            )
        }
    )
