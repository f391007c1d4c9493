from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from bunbase.pkg.config.load import Config, ConfigError, load_config


class DoorSettings(msgspec.Struct, frozen=True):
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 7070
    host: str = "127.0.0.1"
    origins: tuple[str, ...] = ()
    mode: Literal["open", "closed"] = "open"
    verbose: bool = False


class SafeSettings(msgspec.Struct, frozen=True):
    master_key: str = ""
    database_url: str = ""
    peers: dict[str, str] = {}


KINDS: dict[str, type[msgspec.Struct]] = {"door": DoorSettings, "safe": SafeSettings}
ALIASES = {"BUNBASE_PORT": "BUNBASE_DOOR__PORT"}


def load(
    tmp_path: Path, toml: str = "", environment: dict[str, str] | None = None, flags: dict[str, str] | None = None
) -> Config:
    file = tmp_path / "bunbase.toml"
    file.write_text(toml, "utf-8")
    return load_config(KINDS, file, environment or {}, flags, ALIASES)


def origin(config: Config, room: str, name: str) -> str:
    return next(value.origin for value in config.values if (value.room, value.name) == (room, name))


def test_default_file_variable_and_flag_override_each_other_in_this_order(tmp_path: Path) -> None:
    toml = "[server.door]\nport = 1"
    variables = {"BUNBASE_DOOR__PORT": "3", "BUNBASE_PORT": "2"}

    ports = [
        load(tmp_path),
        load(tmp_path, toml),
        load(tmp_path, toml, {"BUNBASE_PORT": "2"}),
        load(tmp_path, toml, variables),
        load(tmp_path, toml, variables, {"door.port": "4"}),
    ]

    assert [config.of("door", DoorSettings).port for config in ports] == [7070, 1, 2, 3, 4]
    assert [origin(config, "door", "port") for config in ports] == [
        "default",
        f"{tmp_path}/bunbase.toml [server.door]",
        "BUNBASE_PORT",
        "BUNBASE_DOOR__PORT",
        "--set door.port",
    ]


def test_environment_variables_are_read_as_the_type_of_the_setting(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        environment={
            "BUNBASE_DOOR__ORIGINS": '["https://a.example", "https://b.example"]',
            "BUNBASE_DOOR__VERBOSE": "true",
            "BUNBASE_DOOR__HOST": "[::1",
            "BUNBASE_SAFE__PEERS": '{"door": "http://127.0.0.1:1"}',
            "BUNBASE_DOOR__PORT": "",
        },
    )

    door = config.of("door", DoorSettings)
    assert (door.origins, door.verbose, door.host) == (("https://a.example", "https://b.example"), True, "[::1")
    assert door.port == 7070  # An empty variable counts as not set.
    assert config.of("safe", SafeSettings).peers == {"door": "http://127.0.0.1:1"}


def test_all_mistakes_are_reported_at_once_with_source_and_allowed_values(tmp_path: Path) -> None:
    toml = "[server.door]\nprot = 1\nmode = 'ajar'\n[server.attic]\nlight = 1"
    variables = {
        "BUNBASE_DOOR__PORT": "65536",
        "BUNBASE_CELLAR__WINE": "red",
        "BUNBASE_SAFE__KEY": "x",
        "BUNBASE_SAFE__MASTER_KEY": '["my secret"]',
        "UNRELATED__NAME": "ignored",
    }

    with pytest.raises(ConfigError) as refused:
        load(tmp_path, toml, variables, {"door.colour": "red", "roof.tiles": "1"})

    file = f"{tmp_path}/bunbase.toml"
    settings = "port, host, origins, mode, verbose"
    assert sorted(str(refused.value).splitlines()) == sorted(
        [
            f"{file} [server.door]: there is no setting prot; allowed: {settings}",
            f"{file} [server.attic]: there is no such room; allowed: door, safe",
            f"{file} [server.door]: door.mode = 'ajar': Invalid enum value 'ajar'; allowed: open, closed",
            "BUNBASE_DOOR__PORT: door.port = '65536': This must be a whole number of at most 65535",
            "BUNBASE_CELLAR__WINE: there is no room cellar; allowed: door, safe",
            "BUNBASE_SAFE__KEY: there is no setting key; allowed: master_key, database_url, peers",
            "BUNBASE_SAFE__MASTER_KEY: safe.master_key = ********: This must be a text, but it is a list",
            f"--set door.colour: there is no setting colour; allowed: {settings}",
            "--set roof.tiles: there is no room roof; allowed: door, safe",
        ]
    )


@pytest.mark.parametrize("toml", ["not toml at all", "server = 1", "[server]\ndoor = 1"])
def test_an_invalid_settings_file_is_named_in_the_error(tmp_path: Path, toml: str) -> None:
    with pytest.raises(ConfigError, match=r"bunbase\.toml"):
        load(tmp_path, toml)


def test_a_binary_settings_file_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "bunbase.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match=r"bunbase\.toml: the file is not valid TOML"):
        load_config(KINDS, tmp_path / "bunbase.toml", {})


def test_a_settings_file_that_cannot_be_read_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "bunbase.toml").mkdir()

    with pytest.raises(ConfigError, match=r"bunbase\.toml: the file cannot be read: Is a directory"):
        load_config(KINDS, tmp_path / "bunbase.toml", {})


def test_a_missing_settings_file_counts_as_empty(tmp_path: Path) -> None:
    assert load_config(KINDS, tmp_path / "nowhere.toml", {}).of("door", DoorSettings) == DoorSettings()


def test_the_values_of_secret_settings_are_masked(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        environment={"BUNBASE_SAFE__MASTER_KEY": "hunter2", "BUNBASE_SAFE__DATABASE_URL": "postgres://u:hunter2@h"},
    )

    shown = {value.name: value.shown for value in config.values}

    assert "hunter2" not in str(shown)
    assert (shown["master_key"], shown["port"], shown["host"]) == ("********", "7070", '"127.0.0.1"')


def test_an_unset_secret_is_shown_as_unset(tmp_path: Path) -> None:
    shown = {value.name: value.shown for value in load(tmp_path).values}

    assert shown["master_key"] == '""'


def test_a_room_can_read_only_its_own_settings(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="the settings of door are DoorSettings, not SafeSettings"):
        load(tmp_path).of("door", SafeSettings)
