from __future__ import annotations

from typing import Any, Protocol

import msgspec
import pytest

from bunbase.pkg.modules import Module, Rooms, opening_order


class Cellar(Protocol): ...


class Hall(Protocol): ...


class Roof(Protocol): ...


class NoSettings(msgspec.Struct, frozen=True): ...


def module(name: str, provides: type, *needs: type) -> Module:
    def never(*_: Any) -> Any:
        raise AssertionError("nothing is opened here")

    return Module(name, provides, needs, NoSettings, never)


def test_a_room_opens_after_the_rooms_that_it_needs() -> None:
    roof, hall, cellar = module("roof", Roof, Hall, Cellar), module("hall", Hall, Cellar), module("cellar", Cellar)

    assert [one.name for one in opening_order([roof, hall, cellar])] == ["cellar", "hall", "roof"]


def test_a_needed_room_of_another_process_does_not_change_the_order() -> None:
    assert [one.name for one in opening_order([module("hall", Hall, Cellar)])] == ["hall"]


def test_a_cycle_of_rooms_is_refused_with_their_names() -> None:
    house = [module("roof", Roof, Hall), module("hall", Hall, Cellar), module("cellar", Cellar, Hall)]

    with pytest.raises(ValueError, match=r"^hall needs cellar needs hall$"):
        opening_order(house)


def test_a_room_is_found_by_its_contract() -> None:
    rooms, service = Rooms(), object()

    rooms.add(Hall, service)

    assert rooms[Hall] is service
    assert Hall in rooms
    assert Roof not in rooms
    with pytest.raises(KeyError):
        rooms[Roof]
