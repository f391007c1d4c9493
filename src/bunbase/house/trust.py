"""The private keys with which the rooms of this process sign their calls, and the public keys of all calling rooms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bunbase.house.modules import GATEWAY, MODULES, ROOMS
from bunbase.house.settings import HouseSettings
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.rpc.room_keys import BadKey, RoomKeys, derived_keys, given_keys
from bunbase.pkg.secret_text import check_secret

CALLING_ROOMS: Final = (*(module.name for module in MODULES if module.callees), GATEWAY)  # the other rooms call no room

SECRET, SECOND = "BUNBASE_HOUSE__SERVICE_SECRET", "BUNBASE_HOUSE__SECOND_SERVICE_SECRET"
ROOM_SECRETS, ROOM_KEYS = "BUNBASE_HOUSE__ROOM_SECRETS", "BUNBASE_HOUSE__ROOM_KEYS"


def room_keys(house: HouseSettings, targets: Sequence[str], made: Callable[[], str]) -> RoomKeys:
    """Return the keys for a process that runs `targets`.

    `made`: a function that makes the secret of a process that runs all rooms.

    Raises: CannotStart if a secret is missing, too weak, or does not match its public key.
    """
    if house.room_secrets or house.room_keys:
        return _given(house, targets)
    for name, secret in ((SECRET, house.service_secret), (SECOND, house.second_service_secret)):
        if secret:
            check_secret(name, secret)
    if not house.service_secret and set(targets) != set(ROOMS):
        raise CannotStart(
            f"rooms in several processes need a common secret: set {SECRET}, or keys for each room "
            "(`bunbase service-secrets` makes them)"
        )
    secret = house.service_secret or made()
    check_secret("service.secret in the data directory", secret)
    secrets = [secret, house.second_service_secret]
    return derived_keys([one for one in secrets if one], targets, CALLING_ROOMS)


def _given(house: HouseSettings, targets: Sequence[str]) -> RoomKeys:
    """Return the keys in the settings. Refuse a service secret, because a process that has it can act as any room."""
    if house.service_secret or house.second_service_secret:
        raise CannotStart(
            f"set either {SECRET}, or {ROOM_SECRETS} and {ROOM_KEYS}: "
            "with the first, this process can act as every room"
        )
    _check_names(house)
    for room in CALLING_ROOMS:
        if not house.room_keys.get(room):
            raise CannotStart(
                f"{ROOM_KEYS} has no key of {room}; `bunbase service-secrets` prints the keys of all rooms"
            )
    for room in targets:
        if room in CALLING_ROOMS and room not in house.room_secrets:
            raise CannotStart(f"{room} runs here and needs its own secret: add it to {ROOM_SECRETS}")
    keys = _fitting(house)
    strangers = [room for room in house.room_secrets if room not in targets]
    if strangers:  # an attacker who takes over this process could act as these rooms too
        raise CannotStart(
            f"{ROOM_SECRETS} holds secrets of rooms that do not run in this process: {', '.join(strangers)}. "
            "Remove them: a process may have only the secrets of its own rooms"
        )
    return keys


def _check_names(house: HouseSettings) -> None:
    for setting, names in ((ROOM_SECRETS, house.room_secrets), (ROOM_KEYS, house.room_keys)):
        for room in names:
            if room not in ROOMS:
                raise CannotStart(f"{setting}: there is no room {room[:64]}; choose from: {', '.join(ROOMS)}")


def _fitting(house: HouseSettings) -> RoomKeys:
    try:
        keys = given_keys(house.room_secrets, house.room_keys)
    except BadKey as bad:
        raise CannotStart(f"{ROOM_SECRETS} or {ROOM_KEYS}: {bad}") from None
    for room, private in keys.own.items():
        if private.id not in keys.known:
            raise CannotStart(f"the secret of {room} in {ROOM_SECRETS} matches none of its keys in {ROOM_KEYS}")
    return keys
