"""`bunbase service-secrets`: secrets and public keys for an installation whose rooms run in several processes."""

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
    *rooms: Annotated[
        str, Parameter(name="ROOM", help="The rooms of one process. Default: one process for each room.")
    ],
    settings: SettingFlags = NO_SETTINGS,
    flags: Flags = FLAGS,
) -> None:
    """Print the environment of a process that runs the named rooms: their secrets, and the public keys of all rooms.

    If house.service_secret is set, the secrets are derived from it. You can then run this command for each process
    separately, and switch an installation over one process at a time. If house.service_secret is not set, the secrets
    are random and are not stored. The command then also prints the secret of every other room, for the process that
    runs that room.

    Example: bunbase service-secrets
    """
    from bunbase.house.modules import ROOMS
    from bunbase.house.trust import CALLING_ROOMS
    from bunbase.pkg.rpc.room_keys import public_key, room_secret

    unknown = [room for room in rooms if room not in ROOMS]
    if unknown:
        raise Usage(f"There is no room {unknown[0]}. The rooms are: {', '.join(ROOMS)}")
    given = _service_secret(settings)
    root = given or token_urlsafe(32)
    secrets = {room: room_secret(root, room) for room in CALLING_ROOMS}
    keys = {room: [public_key(secret)] for room, secret in secrets.items()}
    own = {room: secret for room, secret in secrets.items() if room in rooms or not rooms}
    others = {} if given else {room: secret for room, secret in secrets.items() if room not in own}
    out = Output(flags.json)
    if flags.json:
        out.document({"room_keys": keys, "room_secrets": own} | ({"other_room_secrets": others} if others else {}))
        return
    together = [own] if rooms else [{room: secret} for room, secret in own.items()]
    _print(out, keys, [*together, *({room: secret} for room, secret in others.items())])


def _service_secret(settings: SettingFlags) -> str:
    """Return house.service_secret, or "" if it is not set. Raises: Usage if it is easy to guess."""
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

    out.hint("For every process (public keys):")
    out.line(f"{ROOM_KEYS}='{msgspec.json.encode(keys).decode()}'")
    for secrets in processes:
        if not secrets:
            out.hint("The rooms that you named do not call other rooms: they need no secret.")
            continue
        out.hint(f"For the process that runs {' and '.join(secrets)}, and for no other:")
        out.line(f"{ROOM_SECRETS}='{msgspec.json.encode(secrets).decode()}'")
