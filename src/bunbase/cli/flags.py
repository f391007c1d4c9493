"""Flags that many commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True)
class Flags:
    json: Annotated[bool, Parameter(negative="", show_default=False, help="Print JSON instead of text.")] = False


@Parameter(name="*")
@dataclass(frozen=True)
class ServerFlags(Flags):
    url: Annotated[
        str,
        Parameter(
            show_default=False, help="The server's address. Default: BUNBASE_URL, else the server of the last sign-in."
        ),
    ] = ""
    target: Annotated[
        str,
        Parameter(
            show_default=False, help="A [target.…] of bunbase.toml: its server and project. Default: BUNBASE_TARGET."
        ),
    ] = ""
    profile: Annotated[
        str,
        Parameter(
            show_default=False, help="The sign-in that `bunbase login --profile` made. Default: BUNBASE_PROFILE."
        ),
    ] = ""
    ca_file: Annotated[
        str,
        Parameter(
            show_default=False,
            help="A PEM file of certificate authorities to trust in addition. Default: BUNBASE_CA_FILE.",
        ),
    ] = ""


@Parameter(name="*")
@dataclass(frozen=True)
class ProjectFlags(ServerFlags):
    project: Annotated[
        str,
        Parameter(
            show_default=False,
            help="The project's id or slug. Default: BUNBASE_PROJECT, bunbase.toml, or last `bunbase projects use`.",
        ),
    ] = ""


@Parameter(name="*")
@dataclass(frozen=True)
class GroupFlags(ProjectFlags):
    org: Annotated[
        str,
        Parameter(show_default=False, help="Act on this organisation (its id or slug) instead of a project."),
    ] = ""


FLAGS: Final = Flags()
SERVER_FLAGS: Final = ServerFlags()
PROJECT_FLAGS: Final = ProjectFlags()
GROUP_FLAGS: Final = GroupFlags()
