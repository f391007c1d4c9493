"""A process starts only with strong secrets, and gets only the keys of its own rooms."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.house.modules import ROOMS
from bunbase.house.settings import HouseSettings
from bunbase.house.trust import CALLING_ROOMS, room_keys
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.rpc.room_keys import RoomKeys, public_key, room_secret
from bunbase.pkg.secret_text import MIN_BYTES, check_secret

SECRET = "the secret of this installation alone"
SECRETS = {room: room_secret(SECRET, room) for room in CALLING_ROOMS}
PUBLIC = {room: (public_key(secret),) for room, secret in SECRETS.items()}


def keys(*targets: str, **settings: Any) -> RoomKeys:
    return room_keys(HouseSettings(**settings), targets, lambda: SECRET)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("x", "has 1 bytes"),
        ("correct horse battery staple 99", "has 31 bytes"),
        (" " * 40, "has 0 bytes"),
        ("correct horse battery" + " " * 20, "has 21 bytes"),
        ("s" * 32, "repeats a few characters"),
        ("0123456" * 5, "repeats a few characters"),
    ],
)
@pytest.mark.parametrize("setting", ["service_secret", "second_service_secret"])
def test_a_start_with_a_weak_secret_fails_with_a_command_that_makes_one(setting: str, secret: str, why: str) -> None:
    with pytest.raises(CannotStart, match=why) as refused:
        keys("bunkms", **{"service_secret": SECRET} | {setting: secret})

    assert f"BUNBASE_HOUSE__{setting.upper()}" in str(refused.value)
    assert 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"' in str(refused.value)


def test_the_length_of_a_secret_is_counted_in_utf8_bytes() -> None:
    check_secret("a", "åäö1234567" * 3)  # The secret has 30 characters and 39 bytes.
    check_secret("a", "abcdefgh" * (MIN_BYTES // 8))


def test_one_shared_secret_yields_private_keys_of_own_rooms_and_public_keys_of_all() -> None:
    made = keys("bundoc", "functions", service_secret=SECRET)

    assert set(made.own) == {"bundoc", "functions"}
    assert {key.room for key in made.known.values()} == {*CALLING_ROOMS}


def test_one_process_of_all_rooms_needs_no_configured_secret() -> None:
    assert set(keys(*ROOMS).own) == set(ROOMS)
    with pytest.raises(CannotStart, match="set BUNBASE_HOUSE__SERVICE_SECRET"):
        keys("functions")


def test_with_keys_per_room_a_process_holds_only_the_secrets_of_its_own_rooms() -> None:
    made = keys("functions", room_secrets={"functions": SECRETS["functions"]}, room_keys=PUBLIC)

    assert set(made.own) == {"functions"}
    assert {key.room for key in made.known.values()} == {*CALLING_ROOMS}


def test_a_room_that_calls_no_other_needs_no_secret() -> None:
    assert "bunkms" not in CALLING_ROOMS
    assert keys("bunkms", room_keys=PUBLIC).own == {}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"room_secrets": SECRETS}, "has no key of"),
        ({"room_keys": {**PUBLIC, "bundoc": ()}, "room_secrets": SECRETS}, "has no key of bundoc"),
        ({"room_keys": PUBLIC}, "functions runs here and needs its own secret"),
        ({"room_keys": PUBLIC, "room_secrets": {"functions": SECRETS["bundoc"]}}, "matches none of its keys"),
        ({"room_keys": PUBLIC, "room_secrets": {"functions": "short"}}, "32 bytes in base64url"),
        ({"room_keys": {**PUBLIC, "bundoc": ("short",)}, "room_secrets": SECRETS}, "32 bytes in base64url"),
        ({"room_keys": {**PUBLIC, "attic": ("short",)}, "room_secrets": SECRETS}, "there is no room attic"),
        ({"room_keys": PUBLIC, "room_secrets": SECRETS, "service_secret": SECRET}, "set either"),
        (
            {"room_keys": PUBLIC, "room_secrets": SECRETS},
            "do not run in this process: bunauth, .*gateway",
        ),
    ],
)
def test_a_start_with_keys_that_do_not_match_fails_with_the_reason(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(CannotStart, match=why):
        keys("functions", **settings)
