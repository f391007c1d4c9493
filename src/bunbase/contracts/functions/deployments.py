"""Deployments: the settings of a function, its bundle and its versions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from bunbase.contracts.functions.triggers import (
    MAX_BATCH,
    MAX_DATA_TRIGGERS,
    DataTrigger,
    Schedule,
)


class Access(StrEnum):
    """The callers that a function accepts over HTTP."""

    PUBLIC = "public"  # everybody, if the request names the project
    KEY = "key"  # any project key
    USER = "user"  # a signed-in end user
    SECRET = "secret"  # the secret key


class FunctionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a version. `cpu_ms`: the maximum processor time of one call; `allow_net`: the hosts that `fetch`
    may reach.

    `schedule`: a cron line in UTC, or a Schedule. `on`: the changes of documents and files that run the function.
    `max_batch`: the maximum number of changes that one call gets, as `{"events": […]}`. By default, a call gets one
    change, which is then the whole body.
    """

    access: Access = Access.KEY
    timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=300_000)] = 30_000
    cpu_ms: Annotated[int, msgspec.Meta(ge=100, le=300_000)] = 10_000
    memory_mb: Annotated[int, msgspec.Meta(ge=64, le=1024)] = 256
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    allow_net: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] = ()
    schedule: str | Schedule | None = None
    on: Annotated[tuple[DataTrigger, ...], msgspec.Meta(max_length=MAX_DATA_TRIGGERS)] = ()
    max_batch: Annotated[int, msgspec.Meta(ge=1, le=MAX_BATCH)] | None = None


class Bundle(msgspec.Struct, frozen=True):
    """`code`: one CommonJS file, as written by `bun build --target=bun --format=cjs`."""

    code: bytes
    source_map: bytes | None
    config: FunctionConfig


class Version(msgspec.Struct, frozen=True):
    """`sha256`: the hex digest of the bundle; `size`: the size of the bundle in bytes; `active`: true if new calls run
    this version.
    """

    name: str
    version: int
    sha256: str
    size: int
    config: FunctionConfig
    active: bool
    created_at: datetime
    created_by: str


class Versions(msgspec.Struct, frozen=True):
    items: tuple[Version, ...]
    next: str | None = None
