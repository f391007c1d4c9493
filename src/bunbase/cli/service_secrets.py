"""`bunbase service-secrets`: keys for the rooms of an installation whose processes do not trust each other alike."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_urlsafe
from typing import Annotated

import msgspec
from cyclopts import Parameter

from bunbase.cli.errors import Usage
from bunbase.cli.flags import FLAGS, Flags
from bunbase.cli.house import NO_SETTINGS, SettingFlags
from bunbase.cli.output import Output


def service_secrets(
    *rooms: Annotated[str, Parameter(name="ROOM", help="The rooms of one process; all if none is named.")],
    settings: SettingFlags = NO_SETTINGS,
    flags: Flags = FLAGS,
) -> None:
    """Print a secret for each room, and the public keys by which all processes know them.

    They are derived from house.service_secret where that is set, so that processes can change over one by one.
    Without it they are new and kept nowhere: print them once, for all rooms.
    """
    from bunbase.house.trust import CALLING_ROOMS
    from bunbase.pkg.rpc.room_keys import public_key, room_secret

    unknown = [room for room in rooms if room not in CALLING_ROOMS]
    if unknown:
        raise Usage(f"{unknown[0]} calls no other room, or does not exist; choose from: {', '.join(CALLING_ROOMS)}")
    root = _service_secret(settings)
    if not root and rooms:
        raise Usage("Without house.service_secret every run makes new keys: name no room, and keep all it prints.")
    root = root or token_urlsafe(32)
    secrets = {room: room_secret(root, room) for room in CALLING_ROOMS}
    keys = {room: [public_key(secret)] for room, secret in secrets.items()}
    own = {room: secret for room, secret in secrets.items() if room in rooms or not rooms}
    out = Output(flags.json)
    if flags.json:
        out.document({"room_keys": keys, "room_secrets": own})
    else:
        _print(out, keys, [own] if rooms else [{room: secret} for room, secret in own.items()])


def _service_secret(settings: SettingFlags) -> str:
    """Raises: Usage for one that could be guessed."""
    from bunbase.house.settings import HOUSE, HouseSettings, load_settings
    from bunbase.pkg.config.load import ConfigError
    from bunbase.pkg.errors import CannotStart
    from bunbase.pkg.secret_text import check_secret

    try:
        secret = load_settings(settings.settings()).of(HOUSE, HouseSettings).service_secret
        if secret:
            check_secret("BUNBASE_HOUSE__SERVICE_SECRET", secret)
    except (ConfigError, CannotStart) as mistake:
        raise Usage(str(mistake), "invalid_config") from None
    return secret


def _print(out: Output, keys: dict[str, list[str]], processes: Sequence[dict[str, str]]) -> None:
    from bunbase.house.trust import ROOM_KEYS, ROOM_SECRETS

    out.hint("For every process; these are public:")
    out.line(f"{ROOM_KEYS}='{msgspec.json.encode(keys).decode()}'")
    for secrets in processes:
        out.hint(f"For the process that runs {' and '.join(secrets)}, and for no other:")
        out.line(f"{ROOM_SECRETS}='{msgspec.json.encode(secrets).decode()}'")
