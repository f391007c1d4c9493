"""Choose the server, the project and the sign-in of a command, and remember the origin of each choice.

    [target.staging]
    server = "https://staging.example.com"
    project = "shop"
    profile = "work"          # the sign-in of `bunbase login --profile work`; default: the sign-in without a profile

The first of these decides: a flag, the environment, the target in `--target`, the credentials file (the last sign-in),
the default. A target takes effect only if the user names it, so a foreign folder cannot choose the server to which this
machine sends its tokens.
"""

from __future__ import annotations

import os
import re
from typing import Final

import msgspec

from bunbase.cli.address import PORT, default_url, normal_url
from bunbase.cli.address import VARIABLE as URL
from bunbase.cli.credentials import CredentialsFile, credentials_file
from bunbase.cli.errors import Usage
from bunbase.cli.flags import ServerFlags

TARGET: Final = "BUNBASE_TARGET"
PROFILE: Final = "BUNBASE_PROFILE"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class Choice(msgspec.Struct, frozen=True):
    """A value, and the flag, variable or file that it comes from."""

    value: str
    origin: str

    def __bool__(self) -> bool:
        return bool(self.value)


NONE: Final = Choice("", "")


class Target(msgspec.Struct, frozen=True):
    """The target of a command, as bunbase.toml describes it. Any value may be empty."""

    name: str = ""
    server: Choice = NONE
    project: Choice = NONE
    profile: Choice = NONE
    chosen_by: str = ""


class Where(msgspec.Struct, frozen=True):
    """The choices of a command before it sends a request. `file`: the credentials file for the profile."""

    target: Target
    profile: Choice
    server: Choice
    file: CredentialsFile


def where(flags: ServerFlags, link: str = "") -> Where:
    """Return the choices of a command. `link`: the address of a server that a link names. Raises: Usage."""
    target = target_of(flags)
    profile = _first((flags.profile, "--profile"), (os.environ.get(PROFILE, ""), PROFILE)) or target.profile
    if profile and not NAME.fullmatch(profile.value):
        raise Usage(
            f"{profile.value!r} from {profile.origin} is no name of a profile: a name has at most 63 letters, digits, "
            "dots, hyphens and _."
        )
    file = credentials_file(profile.value)
    server = _first((flags.url, "--url"), (os.environ.get(URL, ""), URL)) or target.server
    if not server:
        server = _first((link, "the link"), (file.read().current, "the last sign-in")) or _default()
    return Where(target, profile, Choice(normal_url(server.value), server.origin), file)


def target_of(flags: ServerFlags) -> Target:
    """Return the target that a flag or the environment names, or else an empty target. Raises: Usage."""
    named = _first((flags.target, "--target"), (os.environ.get(TARGET, ""), TARGET))
    if not named:
        return Target()
    from bunbase.cli.project_file import advice, project_file_path, read_project_file

    targets, path = read_project_file().targets, project_file_path().absolute()
    if named.value not in targets:
        otherwise = advice(named.value, targets) if targets else ", and no other target"
        raise Usage(f"{path} has no [target.{named.value}], which {named.origin} names{otherwise}", "no_target")
    found, origin = targets[named.value], f"[target.{named.value}] in {path}"
    return Target(
        named.value,
        Choice(found.server, origin),
        Choice(found.project, origin),
        Choice(found.profile, origin),
        named.origin,
    )


def _first(*choices: tuple[str, str]) -> Choice:
    return next((Choice(value, origin) for value, origin in choices if value), NONE)


def _default() -> Choice:
    return Choice(default_url(), PORT if os.environ.get(PORT, "") else "the default")
