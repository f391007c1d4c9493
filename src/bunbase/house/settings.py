"""The house's own settings, and the settings of all rooms together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.settings import GatewaySettings
from bunbase.house.modules import GATEWAY, MODULES
from bunbase.pkg.config.load import Config, load_config
from bunbase.pkg.mail.settings import MailSettings
from bunbase.storage.routes.s3.settings import S3PortSettings

HOUSE: Final = "house"
MAIL: Final = "mail"
LIVE: Final = "live"
S3: Final = "s3"
FILE: Final = "bunbase.toml"

# short names for settings that people set often
ALIASES: Final = {
    "BUNBASE_PORT": "BUNBASE_GATEWAY__PORT",
    "BUNBASE_DATA_DIR": "BUNBASE_HOUSE__DATA_DIR",
    "BUNBASE_MASTER_KEY": "BUNBASE_BUNKMS__MASTER_KEY",
    "DATABASE_URL": "BUNBASE_HOUSE__DATABASE_URL",
}


class HouseSettings(msgspec.Struct, frozen=True):
    """Settings of the process itself.

    `data_dir`: the folder for all data of this process, relative to the folder where it starts.
    `database_url`: the URL of a PostgreSQL 15 or newer. If empty, BunBase runs a PostgreSQL in the data directory.
    `peers`: the internal address of each room in another process, such as `{"bunkms": "http://10.0.0.2:7071"}`.
    `internal_host`: the address of the internal port, where processes call each other. Never expose this port.
    `internal_port`: the internal port; 0 takes any free port.
    `internal_max_connections`: the limit of open connections at the internal port. One address may have half of the
    limit.
    `service_secret`: the secret with which the processes of an installation trust each other. The secret has at least
    32 bytes, and is the same in all processes. If one process runs all rooms, it creates a secret itself.
    `second_service_secret`: a second secret that is accepted while the secret is changed. The second secret does not
    sign tokens.
    `room_secrets`: the secret of each room in this process, which replaces the service secret. Then an attacker who
    takes over a process can act only as the rooms of that process. `bunbase service-secrets` prints this setting.
    `room_keys`: the public keys of all rooms, which belong to `room_secrets`.
    `log_level`: the lowest severity of log lines that are written.
    """

    data_dir: str = ".bunbase"
    database_url: str = ""
    internal_host: str = "127.0.0.1"
    internal_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 7071
    internal_max_connections: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] = 2048
    peers: dict[str, str] = {}
    service_secret: str = ""
    second_service_secret: str = ""
    room_secrets: dict[str, str] = {}
    room_keys: dict[str, tuple[str, ...]] = {}
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def data_path(self) -> Path:
        return Path(self.data_dir).resolve()


def kinds() -> dict[str, type[msgspec.Struct]]:
    """Return the settings of the house, the gateway, live connections, the S3 port, mail and every room, by name."""
    found: dict[str, type[msgspec.Struct]] = {
        HOUSE: HouseSettings,
        GATEWAY: GatewaySettings,
        LIVE: LiveSettings,
        S3: S3PortSettings,
        MAIL: MailSettings,
    }
    return found | {module.name: module.settings for module in MODULES}


def load_settings(flags: dict[str, str] | None = None, file: Path | None = None) -> Config:
    """Return all settings. The order of precedence is: flags, environment, bunbase.toml, defaults.

    Raises: ConfigError.
    """
    return load_config(kinds(), file or Path(FILE), flags=flags, aliases=ALIASES)
