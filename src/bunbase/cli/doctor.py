"""`bunbase doctor`: check that this machine can run BunBase, and can confine functions to a sandbox."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.cli.errors import OK, Usage
from bunbase.cli.flags import FLAGS, Flags
from bunbase.cli.house import NO_SETTINGS, SettingFlags
from bunbase.cli.output import Output

ILL: Final = 1


def doctor(*, settings: SettingFlags = NO_SETTINGS, flags: Flags = FLAGS) -> int:
    """Check that this machine has what BunBase needs, including each layer of the sandbox.

    The exit code is 1 if something is missing.

    Example: bunbase doctor
    """
    from bunbase.house.doctor import Health, examine
    from bunbase.house.settings import load_settings
    from bunbase.pkg.config.load import ConfigError

    try:
        config = load_settings(settings.settings())
    except ConfigError as mistakes:
        raise Usage(str(mistakes), "invalid_config") from None
    found = examine(config)
    well = all(one.health is not Health.BAD for one in found)
    out = Output(flags.json)
    if flags.json:
        out.document({"ok": well, "checks": msgspec.to_builtins(found)})
    else:
        rows = [(one.name, one.health, one.detail, one.advice) for one in found]
        out.table(("what", "state", "found", "what to do"), rows)
    return OK if well else ILL
