"""Check whether this machine can run BunBase. Each check tries out a feature, and does not trust version numbers.

The checks start no server and leave nothing behind.
"""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from bunbase.functions.module import MODULE as FUNCTIONS
from bunbase.functions.sandbox.layers import (
    ADVICE,
    FILES,
    FOR_ROOT,
    REQUIRED,
    WHERE_DELEGATED,
    ConfineWith,
    layers_here,
)
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.launch import RUNTIME
from bunbase.gateway.settings import GatewaySettings
from bunbase.house.modules import GATEWAY
from bunbase.house.settings import HOUSE, MAIL, HouseSettings
from bunbase.pkg.bun import BunMissing, find_bun
from bunbase.pkg.config.load import Config
from bunbase.pkg.db.database import ping
from bunbase.pkg.errors import CannotStart, Problem
from bunbase.pkg.mail.settings import MailSettings, check_mail
from bunbase.pkg.mail.smtp import SmtpServer, Undelivered
from bunbase.pkg.postgres.account import account_for
from bunbase.pkg.postgres.binaries import find_binaries
from bunbase.pkg.serve import listen

BUN_SECONDS: Final = 10.0
PING_SECONDS: Final = 5.0
SMTP_SECONDS: Final = 10.0


class Health(StrEnum):
    OK = "ok"
    NOTE = "note"  # BunBase works without this feature
    BAD = "bad"  # an essential part of BunBase does not work


class Finding(msgspec.Struct, frozen=True):
    """The result of one check. `detail`: what the check found. `advice`: the solution of the problem; empty if there is
    no problem.
    """

    name: str
    health: Health
    detail: str
    advice: str = ""


def examine(config: Config) -> list[Finding]:
    """Return the results of all checks. The checks use these settings and run one after the other."""
    house, gateway = config.of(HOUSE, HouseSettings), config.of(GATEWAY, GatewaySettings)
    confine_with = config.of(FUNCTIONS.name, FunctionsSettings).confine_with
    return [
        Finding("python", Health.OK, platform.python_version()),
        _bun(),
        *_sandbox(confine_with),
        _data_directory(house.data_path()),
        _port(gateway.host, gateway.port),
        _postgres(house),
        _mail(config.of(MAIL, MailSettings)),
    ]


def _bun() -> Finding:
    try:
        bun = find_bun()
        said = subprocess.run(  # noqa: S603 - the same file that runs functions
            [str(bun), "--version"], capture_output=True, text=True, timeout=BUN_SECONDS, check=True, env={}
        )
    except BunMissing as missing:
        return Finding("bun", Health.BAD, "not found", str(missing))
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("bun", Health.BAD, f"Bun does not start: {type(error).__name__}", "Install another Bun.")
    return Finding("bun", Health.OK, f"{said.stdout.strip()} at {bun}")


def _sandbox(confine_with: ConfineWith) -> Iterator[Finding]:
    """Apply each layer of the sandbox in a child process, and let the child attack the layer."""
    found = layers_here(RUNTIME, confine_with, fallback_too=True)
    for name in (*(name for name in FILES if name in found.layers), *REQUIRED, *FOR_ROOT, *WHERE_DELEGATED):
        reason = found.layers.get(name, "this layer was not tried")
        if not reason:
            used = name in found.active
            yield Finding(f"sandbox: {name}", Health.OK, "works" if used else f"works; {found.files} is used instead")
        else:
            needed = name in REQUIRED or (name in FILES and not found.files)
            yield Finding(f"sandbox: {name}", Health.BAD if needed else Health.NOTE, reason, ADVICE[name])


def _data_directory(path: Path) -> Finding:
    there = next(one for one in (path, *path.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        advice = f"Make user {os.geteuid()} the owner of this folder, or set BUNBASE_DATA_DIR."
        return Finding("data directory", Health.BAD, f"{path}: {error.strerror}", advice)
    return Finding("data directory", Health.OK, str(path) if there == path else f"{path}: the first start creates it")


def _port(host: str, port: int) -> Finding:
    try:
        listen(host, port).close()
    except CannotStart as taken:
        return Finding("port", Health.NOTE, str(taken), "Is BunBase running already? Otherwise set BUNBASE_PORT.")
    return Finding("port", Health.OK, f"{host}:{port} is free")


def _postgres(house: HouseSettings) -> Finding:
    try:
        if not house.database_url:
            account_for(house.data_path() / "postgres")  # this raises CannotStart if initdb would fail
            return Finding("postgresql", Health.OK, f"{find_binaries().version}: BunBase runs it itself")
        asyncio.run(asyncio.wait_for(ping(house.database_url), PING_SECONDS))
    except TimeoutError:
        return Finding("postgresql", Health.BAD, f"no answer within {PING_SECONDS:g} s", "Check DATABASE_URL.")
    except Problem as problem:
        return Finding("postgresql", Health.BAD, problem.detail, "Check DATABASE_URL.")
    except CannotStart as missing:
        return Finding("postgresql", Health.BAD, str(missing), "Install PostgreSQL 15 or newer, or set DATABASE_URL.")
    return Finding("postgresql", Health.OK, "answers at DATABASE_URL")


def _mail(settings: MailSettings) -> Finding:
    """Connect to the SMTP server and sign in, but send nothing."""
    if not settings.configured:
        return Finding("mail", Health.NOTE, "not configured: BunBase sends no mail", "Set mail.host and mail.sender.")
    patient = msgspec.structs.replace(settings, timeout_seconds=min(settings.timeout_seconds, SMTP_SECONDS))
    try:
        check_mail(settings)
        asyncio.run(SmtpServer(patient).check())
    except CannotStart as wrong:
        return Finding("mail", Health.BAD, str(wrong), "Correct the settings of mail.")
    except Undelivered as failure:
        return Finding(
            "mail", Health.BAD, failure.reason, "Check mail.host, mail.port, mail.security and the password."
        )
    return Finding("mail", Health.OK, f"{settings.server} accepts mails of {settings.sender}")
