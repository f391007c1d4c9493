from __future__ import annotations

from pathlib import Path

import pytest

from bunbase.gateway.settings import GatewaySettings
from bunbase.house.modules import GATEWAY, MODULES
from bunbase.house.settings import ALIASES, HOUSE, LIVE, MAIL, S3, HouseSettings, load_settings
from bunbase.pkg.config.load import MASK, Config, ConfigError


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*ALIASES, *ALIASES.values(), "BUNBASE_HOUSE__LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


def port(config: Config) -> tuple[int, str]:
    """Return the port of the gateway and the source that set it."""
    (value,) = (value for value in config.values if (value.room, value.name) == (GATEWAY, "port"))
    assert config.of(GATEWAY, GatewaySettings).port == value.value
    return value.value, value.origin


def test_the_strongest_source_of_a_setting_wins_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert port(load_settings()) == (7070, "default")
    Path("bunbase.toml").write_text("[server.gateway]\nport = 1\n")
    assert port(load_settings()) == (1, "bunbase.toml [server.gateway]")
    monkeypatch.setenv("BUNBASE_PORT", "2")
    assert port(load_settings()) == (2, "BUNBASE_PORT")
    monkeypatch.setenv("BUNBASE_GATEWAY__PORT", "3")
    assert port(load_settings()) == (3, "BUNBASE_GATEWAY__PORT")
    assert port(load_settings({"gateway.port": "4"})) == (4, "--set gateway.port")


def test_short_environment_variables_set_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNBASE_DATA_DIR", "/var/lib/bunbase")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:password@host/db")
    monkeypatch.setenv("BUNBASE_MASTER_KEY", "a secret")

    config = load_settings()

    house = config.of(HOUSE, HouseSettings)
    assert house.data_path() == Path("/var/lib/bunbase")
    assert house.database_url == "postgresql://user:password@host/db"
    shown = {f"{value.room}.{value.name}": value.shown for value in config.values}
    assert shown["bunkms.master_key"] == shown["house.database_url"] == MASK


def test_the_secret_of_a_sign_in_provider_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "BUNBASE_BUNAUTH__PROVIDERS"
    monkeypatch.setenv(
        name, '{"google": {"client_id": "an id", "client_secret": "hush", "issuer": "https://a.example"}}'
    )
    config = load_settings()
    monkeypatch.setenv(name, '{"google": {"client_secret": "hush", "issuer": 1}}')
    with pytest.raises(ConfigError) as refused:
        load_settings()

    (shown,) = (value.shown for value in config.values if value.name == "providers")
    assert ("an id" in shown, MASK in shown, "hush" in shown) == (True, True, False)
    assert "hush" not in str(refused.value)


def test_every_short_environment_variable_names_an_existing_setting() -> None:
    names = {f"BUNBASE_{value.room}__{value.name}".upper() for value in load_settings().values}

    assert set(ALIASES.values()) <= names


def test_every_room_has_settings_with_valid_defaults() -> None:
    config = load_settings()

    assert set(config.sections) == {HOUSE, GATEWAY, LIVE, S3, MAIL, *(module.name for module in MODULES)}
    assert config.of(HOUSE, HouseSettings).data_path() == Path.cwd() / ".bunbase"


def test_settings_that_are_maps_or_lists_are_read_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNBASE_HOUSE__PEERS", '{"bunkms": "http://10.0.0.2:7071"}')
    monkeypatch.setenv("BUNBASE_GATEWAY__CORS_ORIGINS", '["https://a.example.com"]')

    config = load_settings()

    assert config.of(HOUSE, HouseSettings).peers == {"bunkms": "http://10.0.0.2:7071"}
    assert config.of(GATEWAY, GatewaySettings).cors_origins == ("https://a.example.com",)


@pytest.mark.parametrize(
    ("setting", "text", "advice"),
    [
        ("functions.allow_private_networks", "127.0.0.0/8", """'["127.0.0.0/8"]'"""),
        ("gateway.cors_origins", "https://a.example", """'["https://a.example"]'"""),
        ("house.peers", "http://10.0.0.1:7071", """'{"name": "value"}'"""),
    ],
)
def test_a_list_or_table_that_is_not_json_is_refused_with_the_way_to_write_it(
    setting: str, text: str, advice: str
) -> None:
    with pytest.raises(ConfigError) as mistakes:
        load_settings({setting: text})

    assert advice in str(mistakes.value)


def test_all_invalid_settings_are_reported_at_once_with_the_allowed_values(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("bunbase.toml").write_text("[server.gateway]\nprot = 1\n\n[server.nowhere]\nx = 1\n")
    monkeypatch.setenv("BUNBASE_PORT", "70000")
    monkeypatch.setenv("BUNBASE_HOUSE__LOG_LEVEL", "loud")

    with pytest.raises(ConfigError) as mistakes:
        load_settings({"bunauth.signups": "perhaps"})

    gateway, nowhere, port, level, signups = sorted(str(mistakes.value).splitlines(), key=_by_subject)
    assert "there is no setting prot; allowed: host, port" in gateway
    assert "there is no such room; allowed: house, gateway" in nowhere
    assert "BUNBASE_PORT: gateway.port = '70000': This must be a whole number of at most 65535" in port
    assert level.endswith("allowed: debug, info, warning, error")
    assert signups.endswith("allowed: auto, open, invite, closed")


def _by_subject(mistake: str) -> int:
    return next(n for n, word in enumerate(("prot;", "nowhere", "70000", "loud", "perhaps")) if word in mistake)
