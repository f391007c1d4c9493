from __future__ import annotations

import random

from bunbase.pkg.crowd import Crowd


def test_the_oldest_member_of_the_most_crowded_address_makes_room() -> None:
    crowd: Crowd[int] = Crowd()
    for member, address in enumerate(["a", "b", "b", "c", "b"]):
        crowd.enter(address, member)

    assert list(crowd.displaceable("new", 2)) == [1, 2]
    assert list(crowd.displaceable("b", 2)) == [], "an address displaces no member of an address that is as crowded"
    crowd.leave("b", 1)
    crowd.leave("b", 2)
    assert [len(list(crowd.displaceable(address, 9))) for address in ("new", "a")] == [1, 0]


def test_the_most_crowded_address_is_known_after_any_changes() -> None:
    dice, crowd = random.Random(1), Crowd[int]()
    members: dict[int, str] = {}
    for number in range(3000):
        if members and dice.random() < 0.45:
            gone = dice.choice(list(members))
            crowd.leave(members.pop(gone), gone)
        else:
            members[number] = dice.choice("abcdefgh")
            crowd.enter(members[number], number)
        counts = [list(members.values()).count(address) for address in "abcdefgh"]
        assert (crowd.highest, len(crowd)) == (max(counts), len(members))

    for number, address in members.items():
        crowd.leave(address, number)
        crowd.leave(address, number)
    assert (crowd.groups, crowd.levels, crowd.highest) == ({}, {}, 0)
